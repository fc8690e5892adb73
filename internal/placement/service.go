package placement

import (
	"context"
	"time"

	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Tables are where placement's rows are kept; sqlstore describes them. Beside
// their columns, conditions may name: of providers "in_tree" (an id), "traits"
// and "aggregates" (lists), "room" (a class and four times the amount) and
// "gives" (a consumer); of consumers "holds" (a provider); of traits "used".
type Tables struct {
	Providers   *store.Table[Provider]
	Inventories *store.Table[Inventory]
	Traits      *store.Table[Trait]
	Classes     *store.Table[Class]
	// ProviderTraits and ProviderAggregates are what each provider has.
	ProviderTraits     *store.Table[ProviderTrait]
	ProviderAggregates *store.Table[ProviderAggregate]
	Consumers          *store.Table[Consumer]
	Allocations        *store.Table[Allocation]
	Ledger             Ledger
}

// Ledger is what placement asks of its tables in SQL of its own: conditional
// updates and sums, and what every claim reads.
type Ledger interface {
	// Hosts reads the root providers of these names with what claims look at.
	Hosts(ctx context.Context, tx *store.Tx, names []string) ([]HostState, error)
	// Take takes an amount if there is room, Give gives it back.
	Take(ctx context.Context, tx *store.Tx, providerID, class string, amount int64) (bool, error)
	Give(ctx context.Context, tx *store.Tx, providerID, class string, amount int64) error
	// Raise raises a provider's generation.
	Raise(ctx context.Context, tx *store.Tx, providerID string, now time.Time) error
	// Used is what is used on each provider, by its name and class.
	Used(ctx context.Context, tx *store.Tx) (map[string]map[string]int64, error)
	// ProjectUsage sums the allocations of a project, or of one user in it.
	ProjectUsage(ctx context.Context, tx *store.Tx, projectID, userID string) (UsageReport, error)
}

// Deps is what the service needs.
type Deps struct {
	DB     *store.DB
	Tables Tables
	Policy *policy.Engine
	Events *event.Log // nil: nobody is told what changes
	Clock  func() time.Time
}

// Service is placement: the families of its API, and claims for the cloud itself.
type Service struct {
	Providers   *Providers
	Inventories *Inventories
	Traits      *Traits
	Classes     *Classes
	Allocations *Allocations

	db     *store.DB
	tables Tables
	policy *policy.Engine
	clock  func() time.Time
}

// New makes the service and registers its rules.
func New(d Deps) *Service {
	if d.Policy == nil {
		d.Policy = policy.New() // nobody asks, nobody but Kumoi itself is allowed
	}
	if err := d.Policy.Register(rules()...); err != nil {
		panic(err) // the rules are constants; a test reads them
	}
	if d.Clock == nil {
		d.Clock = time.Now
	}
	s := &Service{db: d.DB, tables: d.Tables, policy: d.Policy, clock: d.Clock}
	s.Providers, s.Inventories, s.Allocations = &Providers{s}, &Inventories{s}, &Allocations{s}
	s.Traits, s.Classes = &Traits{s}, &Classes{s}
	tell(d.Events, d.DB, d.Tables)
	return s
}

// read runs f in a transaction that only reads, if the actor may.
func (s *Service) read(ctx context.Context, rule string, f func(tx *store.Tx) error) error {
	if err := s.policy.Check(ctx, "placement:"+rule, policy.Target{}); err != nil {
		return err
	}
	return s.db.Read(ctx, f)
}

// write runs f in a transaction, if the actor may.
func (s *Service) write(ctx context.Context, rule string, f func(tx *store.Tx) error) error {
	if err := s.policy.Check(ctx, "placement:"+rule, policy.Target{}); err != nil {
		return err
	}
	return s.db.Write(ctx, f)
}
