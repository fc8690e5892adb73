package placement

import (
	"context"
	"errors"
	"slices"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Consumer is who holds allocations: a server.
type Consumer struct {
	ID, ProjectID, UserID, Type string
	Generation                  int64
}

// Allocation is what a consumer holds of one class of one provider.
type Allocation struct {
	ConsumerID, ProviderID, ProviderName, Class string
	Used                                        int64
}

// HostInventory is a host as placement should account for it.
type HostInventory struct {
	Name            string
	ProviderID      string // resource provider UUID, the hypervisor's id
	Total, Reserved Resources
	// Ratios of overcommitment; zero means 1.
	VCPURatio, MemoryRatio, DiskRatio float64
	Traits                            []string
}

// Store is placement's persistence; sqlstore implements it. The methods listed
// here are those of claims.
type Store interface {
	Tree
	Stock
	Catalogue
	Accounts
	HostStates(ctx context.Context, tx *store.Tx, names []string) ([]HostState, error)
	ProviderByName(ctx context.Context, tx *store.Tx, name string) (string, error)
	PutProvider(ctx context.Context, tx *store.Tx, id, name string, now time.Time) error
	DeleteProvider(ctx context.Context, tx *store.Tx, id string) error
	InUse(ctx context.Context, tx *store.Tx, providerID string) (bool, error)
	Traits(ctx context.Context, tx *store.Tx, providerID string) ([]string, error)
	SetTraits(ctx context.Context, tx *store.Tx, providerID string, traits []string, now time.Time) error
	Bump(ctx context.Context, tx *store.Tx, providerID string, now time.Time) error
	Take(ctx context.Context, tx *store.Tx, providerID, class string, amount int64) (bool, error)
	Give(ctx context.Context, tx *store.Tx, providerID, class string, amount int64) error
	Consumer(ctx context.Context, tx *store.Tx, id string) (Consumer, error)
	PutConsumer(ctx context.Context, tx *store.Tx, c Consumer, now time.Time) error
	DeleteConsumer(ctx context.Context, tx *store.Tx, id string) error
	Allocations(ctx context.Context, tx *store.Tx, consumerID string) ([]Allocation, error)
	PutAllocation(ctx context.Context, tx *store.Tx, a Allocation, now time.Time) error
	DeleteAllocations(ctx context.Context, tx *store.Tx, consumerID string) error
	MoveAllocations(ctx context.Context, tx *store.Tx, from, to string) error
	Usage(ctx context.Context, tx *store.Tx) (map[string]map[string]int64, error)
}

// Deps is what the service needs.
type Deps struct {
	DB     *store.DB
	Store  Store
	Policy *policy.Engine
	Clock  func() time.Time
}

// Service is placement.
type Service struct {
	db     *store.DB
	store  Store
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
	return &Service{db: d.DB, store: d.Store, policy: d.Policy, clock: d.Clock}
}

// SetHost records what a host has, in the caller's transaction.
func (s *Service) SetHost(ctx context.Context, tx *store.Tx, h HostInventory) error {
	now := s.clock()
	if err := s.store.PutProvider(ctx, tx, h.ProviderID, h.Name, now); err != nil {
		return err
	}
	ratios := map[string]float64{VCPU: h.VCPURatio, MemoryMB: h.MemoryRatio, DiskGB: h.DiskRatio}
	reserved := h.Reserved.classes()
	changed := false
	for i, c := range h.Total.classes() {
		if c.amount <= 0 {
			continue
		}
		ratio := ratios[c.class]
		if ratio == 0 {
			ratio = 1
		}
		did, err := s.store.PutInventory(ctx, tx, h.ProviderID, Inventory{
			Class: c.class, Total: c.amount, Reserved: min(reserved[i].amount, c.amount), MinUnit: 1, MaxUnit: c.amount, StepSize: 1, AllocationRatio: ratio,
		}, now)
		if err != nil {
			return err
		}
		changed = changed || did
	}
	have, err := s.store.Traits(ctx, tx, h.ProviderID)
	if err != nil {
		return err
	}
	want := slices.Compact(slices.Sorted(slices.Values(h.Traits)))
	if !slices.Equal(have, want) {
		changed = true
		if err := s.store.SetTraits(ctx, tx, h.ProviderID, want, now); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	return s.store.Bump(ctx, tx, h.ProviderID, now)
}

// RemoveHost forgets a host; one that still runs something is a Conflict, an
// unknown one is no error.
func (s *Service) RemoveHost(ctx context.Context, tx *store.Tx, host string) error {
	id, err := s.store.ProviderByName(ctx, tx, host)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	used, err := s.store.InUse(ctx, tx, id)
	if err != nil {
		return err
	}
	if used {
		return errs.New(errs.Conflict, "Host %s still has allocations; move or delete its servers first.", host)
	}
	return s.store.DeleteProvider(ctx, tx, id)
}

// Candidates answers as Claim would decide, and takes nothing.
func (s *Service) Candidates(ctx context.Context, tx *store.Tx, r ClaimRequest) (*Decision, error) {
	hosts, err := s.store.HostStates(ctx, tx, r.Hosts)
	if err != nil {
		return nil, err
	}
	return Decide(r, hosts), nil
}

// Claim picks a host for the consumer and takes the resources from it, in the
// caller's transaction. A consumer that holds the same already on a host of the
// request keeps it; else what it holds is given back first. No host: NoCapacity,
// with a Decision that says why each was passed over.
func (s *Service) Claim(ctx context.Context, tx *store.Tx, r ClaimRequest) (*Decision, error) {
	held, err := s.store.Allocations(ctx, tx, r.ConsumerID)
	if err != nil {
		return nil, err
	}
	if host := keeps(held, r); host != "" {
		return &Decision{Host: host, Why: "holds its room there already"}, nil
	}
	if len(held) > 0 {
		if err := s.Release(ctx, tx, r.ConsumerID); err != nil {
			return nil, err
		}
	}
	d, err := s.Candidates(ctx, tx, r)
	if err != nil {
		return nil, err
	}
	if d.Host == "" {
		return d, errs.New(errs.NoCapacity, "No valid host was found: %s.", d.Why)
	}
	id, err := s.store.ProviderByName(ctx, tx, d.Host)
	if err != nil {
		return nil, err
	}
	now := s.clock()
	if err := s.store.PutConsumer(ctx, tx, Consumer{ID: r.ConsumerID, ProjectID: r.ProjectID, UserID: r.UserID, Type: "INSTANCE"}, now); err != nil {
		return nil, err
	}
	for _, c := range r.Resources.classes() {
		if c.amount == 0 {
			continue
		}
		ok, err := s.store.Take(ctx, tx, id, c.class, c.amount)
		if err != nil {
			return nil, err
		}
		if !ok { // taken between Decide and here; the transaction's caller tries again
			return nil, errs.New(errs.Unavailable, "Host %s was filled in the meantime; try again.", d.Host)
		}
		if err := s.store.PutAllocation(ctx, tx, Allocation{ConsumerID: r.ConsumerID, ProviderID: id, Class: c.class, Used: c.amount}, now); err != nil {
			return nil, err
		}
	}
	return d, s.store.Bump(ctx, tx, id, now)
}

// keeps tells on which host a consumer already holds exactly what it asks for.
func keeps(held []Allocation, r ClaimRequest) string {
	if len(held) == 0 || !slices.Contains(r.Hosts, held[0].ProviderName) {
		return ""
	}
	want := map[string]int64{}
	for _, c := range r.Resources.classes() {
		if c.amount > 0 {
			want[c.class] = c.amount
		}
	}
	for _, a := range held {
		if a.ProviderName != held[0].ProviderName || want[a.Class] != a.Used {
			return ""
		}
		delete(want, a.Class)
	}
	if len(want) > 0 {
		return ""
	}
	return held[0].ProviderName
}

// Move gives a consumer's claim to another consumer, which must hold none.
func (s *Service) Move(ctx context.Context, tx *store.Tx, from, to string) error {
	c, err := s.store.Consumer(ctx, tx, from)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	c.ID = to
	if err := s.store.PutConsumer(ctx, tx, c, s.clock()); err != nil {
		return err
	}
	if err := s.store.MoveAllocations(ctx, tx, from, to); err != nil {
		return err
	}
	return s.store.DeleteConsumer(ctx, tx, from)
}

// Release gives everything of the consumer back; no claim is no error.
func (s *Service) Release(ctx context.Context, tx *store.Tx, consumerID string) error {
	held, err := s.store.Allocations(ctx, tx, consumerID)
	if err != nil {
		return err
	}
	var touched []string
	for _, a := range held {
		if err := s.store.Give(ctx, tx, a.ProviderID, a.Class, a.Used); err != nil {
			return err
		}
		if !slices.Contains(touched, a.ProviderID) {
			touched = append(touched, a.ProviderID)
		}
	}
	for _, id := range touched {
		if err := s.store.Bump(ctx, tx, id, s.clock()); err != nil {
			return err
		}
	}
	if err := s.store.DeleteAllocations(ctx, tx, consumerID); err != nil {
		return err
	}
	return s.store.DeleteConsumer(ctx, tx, consumerID)
}

// Usage sums the claims on each host.
func (s *Service) Usage(ctx context.Context, tx *store.Tx) (map[string]Resources, error) {
	used, err := s.store.Usage(ctx, tx)
	out := make(map[string]Resources, len(used))
	for host, by := range used {
		out[host] = Resources{VCPU: int(by[VCPU]), MemoryMB: int(by[MemoryMB]), DiskGB: int(by[DiskGB])}
	}
	return out, err
}
