// Package metadef is the catalogue of metadata definitions: which properties
// images, flavors, volumes and servers may have and what they mean. It informs
// clients, which offer them to people; nothing is enforced by it.
//
// A namespace groups definitions: single properties, objects (groups of
// properties) and tags, and says which types of resources they are for. The
// standard catalogue is put into an empty database; whatever an administrator
// changes or deletes afterwards stays so.
package metadef

import (
	"context"
	"time"

	"kumoi/internal/kernel/store"
)

// Namespace is a group of definitions.
type Namespace struct {
	ID          string
	Name        string
	DisplayName string
	Description string
	Visibility  string // public, private
	Protected   bool
	Owner       string
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// The kinds of items.
const (
	Object   = "object"
	Property = "property"
	Tag      = "tag"
)

// Item is one definition of a namespace. Its body is JSON: of an object
// description, required and properties; of a property its schema.
type Item struct {
	NamespaceID string
	Kind        string
	Name        string
	Body        map[string]any
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// ResourceType is a type of resource that definitions are for, "OS::Nova::Flavor".
type ResourceType struct {
	Name      string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Association says that a namespace's properties are for a type of resource,
// where their names begin with the prefix.
type Association struct {
	NamespaceID      string
	ResourceType     string
	Prefix           string
	PropertiesTarget string
	CreatedAt        time.Time
	UpdatedAt        time.Time
}

// Query selects a page of namespaces.
type Query struct {
	Everything    bool   // for administrators
	Project       string // sees its own and public ones
	Visibility    string
	ResourceTypes []string
	Owner         string
	SortKey       string // created_at, updated_at, namespace
	Desc          bool
	Marker        *Namespace
	Limit         int
}

// Store is the persistence of the catalogue. A missing row is NotFound, a
// taken name Exists.
type Store interface {
	Namespaces(ctx context.Context, tx *store.Tx, q Query) ([]Namespace, error)
	Namespace(ctx context.Context, tx *store.Tx, name string) (Namespace, error)
	AddNamespace(ctx context.Context, tx *store.Tx, n Namespace) error
	SaveNamespace(ctx context.Context, tx *store.Tx, n Namespace) error
	DeleteNamespace(ctx context.Context, tx *store.Tx, id string) error

	Items(ctx context.Context, tx *store.Tx, namespaceID, kind string) ([]Item, error)
	Item(ctx context.Context, tx *store.Tx, namespaceID, kind, name string) (Item, error)
	AddItem(ctx context.Context, tx *store.Tx, i Item) error
	// SaveItem writes the item that was called name before.
	SaveItem(ctx context.Context, tx *store.Tx, name string, i Item) error
	DeleteItem(ctx context.Context, tx *store.Tx, namespaceID, kind, name string) error
	DeleteItems(ctx context.Context, tx *store.Tx, namespaceID, kind string) error

	ResourceTypes(ctx context.Context, tx *store.Tx) ([]ResourceType, error)
	AddResourceType(ctx context.Context, tx *store.Tx, t ResourceType) error
	Associations(ctx context.Context, tx *store.Tx, namespaceIDs ...string) ([]Association, error)
	AddAssociation(ctx context.Context, tx *store.Tx, a Association) error
	DeleteAssociation(ctx context.Context, tx *store.Tx, namespaceID, resourceType string) error

	// Standard is the version of the standard catalogue that was put in, 0 if none.
	Standard(ctx context.Context, tx *store.Tx) (int64, error)
	SetStandard(ctx context.Context, tx *store.Tx, version int64) error
}
