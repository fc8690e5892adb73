// Package service says what a cloud has to know of a service to carry it: one
// Descriptor, which the package service of each (internal/NAME/service) composes.
// internal/app holds the list of them, and makes of it the schema, the gateway,
// the catalogue, the order of start and stop, and what "kumoi status", "routes"
// and "explain" say.
//
// What engines keep is not repeated here: a service registers its policy rules,
// sagas, tasks and subscriptions in its New, with the engines that its Deps bring.
package service

import (
	"context"
	"time"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
)

// Descriptor is one service. Only Name is needed.
type Descriptor struct {
	Name string // of its folder below internal, and of its tables
	// Migrations make its tables, if it has some.
	Migrations store.Migrations
	// APIs are what it serves, with their routes and the policy rule of each.
	APIs []*httpx.Service
	// Catalog is what a new cloud's catalogue says of it.
	Catalog []Endpoint
	// Sagas are the kinds that its New registers; assembling it fills them in.
	Sagas []string
	// Quotas are what a project may have of each resource unless somebody says
	// otherwise, -1: as much as it wants.
	Quotas map[string]int64
	// Counts are what "kumoi status" counts.
	Counts []Count
	// Health tells of what it depends on; nil: of nothing. It does not wait for
	// what does not answer.
	Health func(ctx context.Context) []Health
	// Explains are the resources that "kumoi explain" knows.
	Explains []Explainer
	// Hears tells whether a host's reports have reached it since a moment; nil: it
	// listens to no hosts.
	Hears func(ctx context.Context, host string, since time.Time) (bool, error)
	// Start begins its work; nil: it has none. Everything before it in the list
	// has started. ctx bounds the start alone.
	Start func(ctx context.Context) error
	// Hush ends answers that have no end of their own, when the API's port closes;
	// nil: there are none.
	Hush func()
	// Stop ends what Start began, and waits for it.
	Stop func()
}

// Endpoint is a catalogue entry: the path is below the cloud's address.
type Endpoint struct{ Type, Name, Path string }

// Count is how many of a resource there are.
type Count struct {
	Name string
	Of   func(ctx context.Context, tx *store.Tx) (int64, error)
}

// Rows counts a table's rows that meet the conditions.
func Rows[T any](name string, t *store.Table[T], conds ...store.Cond) Count {
	return Count{Name: name, Of: func(ctx context.Context, tx *store.Tx) (int64, error) { return t.Count(ctx, tx, conds...) }}
}

// Health is how something is that a service depends on.
type Health struct {
	Name    string
	Managed string // who looks after it: "kumoi" or "operator"
	Version string
	Err     error // nil: it answers
}

// Explainer tells why resources of one kind are as they are.
type Explainer struct {
	Noun string // "server"
	// List are all of the cloud, for a person to choose from.
	List func(ctx context.Context) ([]Resource, error)
	// Explain tells of one by its id.
	Explain func(ctx context.Context, id string) (*Explanation, error)
}

// Resource is something that can be explained.
type Resource struct{ ID, Name, Status, Host, ProjectID string }

// Explanation is what is known of a resource, as text and as facts.
type Explanation struct {
	Text   string
	Reason string // of a fault, as the host said it
	Facts  any
}
