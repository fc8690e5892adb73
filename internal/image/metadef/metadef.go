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
	// What it holds; lists show the associations only.
	Associations []*Association
	Objects      []*Item
	Properties   []*Item
	Tags         []*Item
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

// Required are the names of the properties that an object must have.
func (it *Item) Required() []string {
	if names, ok := it.Body["required"].([]string); ok {
		return names
	}
	stored, _ := it.Body["required"].([]any)
	out := make([]string, len(stored))
	for i, name := range stored {
		out[i], _ = name.(string)
	}
	return out
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

// Tables are where the catalogue is kept. Namespaces have the set "resource_type".
type Tables struct {
	Namespaces    *store.Table[Namespace]
	Items         *store.Table[Item]
	ResourceTypes *store.Table[ResourceType]
	Associations  *store.Table[Association]
	Seeds         *store.Table[SeedRow]
}

// SeedRow says which version of a catalogue that comes with the program was put in.
type SeedRow struct {
	Catalogue string
	Version   int64
}
