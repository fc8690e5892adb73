package metadef

import (
	"context"
	"fmt"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Items are the objects, properties and tags of namespaces.
type Items struct{ *Service }

// ItemsOf are the use cases, for the items of one kind in one namespace.
type ItemsOf struct {
	*Items
	namespace, kind string
}

// Of returns the use cases for a kind in a namespace.
func (s *Items) Of(namespace, kind string) ItemsOf { return ItemsOf{s, namespace, kind} }

// plural is a kind in the names of policy rules for several.
func plural(kind string) string {
	if kind == Property {
		return "properties"
	}
	return kind + "s"
}

// removal is the rule that guards the deletion of one item.
func removal(kind string) string {
	if kind == Property {
		return "remove_metadef_property"
	}
	return "delete_metadef_" + kind
}

func missing(err error, kind, name, namespace string) error {
	if errs.Is(err, errs.NotFound) {
		return notFound(kind, fmt.Sprintf("with name=%.100s in namespace=%.100s", name, namespace))
	}
	return err
}

// List lists the items by name.
func (s ItemsOf) List(ctx context.Context, q store.Query) (page store.Page[Item], err error) {
	err = s.read(ctx, s.namespace, func(tx *store.Tx, n *Namespace) error {
		page, err = s.Tables.Items.List(ctx, tx, q.Within(store.Eq("namespace_id", n.ID), store.Eq("kind", s.kind)))
		return err
	}, "get_metadef_"+plural(s.kind))
	return page, err
}

// Show returns one item.
func (s ItemsOf) Show(ctx context.Context, name string) (it *Item, err error) {
	err = s.read(ctx, s.namespace, func(tx *store.Tx, n *Namespace) error {
		it, err = s.Tables.Items.Get(ctx, tx, n.ID, s.kind, name)
		return missing(err, s.kind, name, s.namespace)
	}, "get_metadef_"+s.kind)
	return it, err
}

// Create adds one item.
func (s ItemsOf) Create(ctx context.Context, it Item) (*Item, error) {
	it.Kind = s.kind
	if err := it.validate(); err != nil {
		return nil, err
	}
	return &it, s.write(ctx, s.namespace, func(tx *store.Tx, n *Namespace) error {
		return s.add(ctx, tx, n, &it)
	}, "add_metadef_"+s.kind)
}

func (s ItemsOf) add(ctx context.Context, tx *store.Tx, n *Namespace, it *Item) error {
	if err := s.free(ctx, tx, n, it.Name); err != nil {
		return err
	}
	it.NamespaceID, it.CreatedAt = n.ID, s.Now()
	it.UpdatedAt = it.CreatedAt
	return s.Tables.Items.Insert(ctx, tx, it)
}

// free refuses a name that is taken.
func (s ItemsOf) free(ctx context.Context, tx *store.Tx, n *Namespace, name string) error {
	_, err := s.Tables.Items.Get(ctx, tx, n.ID, s.kind, name)
	if err == nil {
		return errs.New(errs.Exists, "A metadata definition %s with name=%s in namespace=%s already exists.", s.kind, name, n.Name)
	}
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// Update replaces one item, its name included.
func (s ItemsOf) Update(ctx context.Context, name string, it Item) (*Item, error) {
	it.Kind = s.kind
	if err := it.validate(); err != nil {
		return nil, err
	}
	return &it, s.write(ctx, s.namespace, func(tx *store.Tx, n *Namespace) error {
		old, err := s.Tables.Items.Get(ctx, tx, n.ID, s.kind, name)
		if err != nil {
			return missing(err, s.kind, name, s.namespace)
		}
		if it.Name != name {
			if err := s.free(ctx, tx, n, it.Name); err != nil {
				return err
			}
		}
		it.NamespaceID, it.CreatedAt, it.UpdatedAt = n.ID, old.CreatedAt, s.Now()
		if err := s.Tables.Items.Delete(ctx, tx, n.ID, s.kind, name); err != nil { // its name is its key
			return err
		}
		return s.Tables.Items.Insert(ctx, tx, &it)
	}, "modify_metadef_"+s.kind)
}

// Delete removes one item.
func (s ItemsOf) Delete(ctx context.Context, name string) error {
	return s.write(ctx, s.namespace, func(tx *store.Tx, n *Namespace) error {
		if err := unprotected(n, s.kind); err != nil {
			return err
		}
		return missing(s.Tables.Items.Delete(ctx, tx, n.ID, s.kind, name), s.kind, name, s.namespace)
	}, removal(s.kind))
}

// DeleteAll removes all of them.
func (s ItemsOf) DeleteAll(ctx context.Context) error {
	rules := []string{"delete_metadef_namespace"}
	if s.kind == Tag {
		rules = append(rules, "delete_metadef_tags")
	}
	return s.write(ctx, s.namespace, func(tx *store.Tx, n *Namespace) error {
		if err := unprotected(n, plural(s.kind)); err != nil {
			return err
		}
		return s.clear(ctx, tx, n)
	}, rules...)
}

func (s ItemsOf) clear(ctx context.Context, tx *store.Tx, n *Namespace) error {
	_, err := s.Tables.Items.DeleteWhere(ctx, tx, store.Eq("namespace_id", n.ID), store.Eq("kind", s.kind))
	return err
}

// CreateTags adds several tags at once, in place of all that are there unless
// they are to be kept.
func (s *Items) CreateTags(ctx context.Context, namespace string, names []string, keep bool) ([]*Item, error) {
	of := s.Of(namespace, Tag)
	var out []*Item
	seen := map[string]bool{}
	for _, name := range names {
		it := &Item{Kind: Tag, Name: name, Body: map[string]any{}}
		if err := it.validate(); err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, errs.New(errs.Exists, "The tag %s is given twice.", name)
		}
		seen[name] = true
		out = append(out, it)
	}
	return out, s.write(ctx, namespace, func(tx *store.Tx, n *Namespace) error {
		if !keep {
			if err := of.clear(ctx, tx, n); err != nil {
				return err
			}
		}
		for _, it := range out {
			if err := of.add(ctx, tx, n, it); err != nil {
				return err
			}
		}
		return nil
	}, "add_metadef_tags")
}
