package metadef

import (
	"context"
	"fmt"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

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

// Items lists the items of one kind in a namespace.
func (s *Service) Items(ctx context.Context, namespace, kind string) ([]Item, error) {
	var out []Item
	err := s.read(ctx, namespace, []string{"get_metadef_" + plural(kind)}, func(tx *store.Tx, n Namespace) (err error) {
		out, err = s.store.Items(ctx, tx, n.ID, kind)
		return err
	})
	return out, err
}

// Item returns one item.
func (s *Service) Item(ctx context.Context, namespace, kind, name string) (Item, error) {
	var it Item
	err := s.read(ctx, namespace, []string{"get_metadef_" + kind}, func(tx *store.Tx, n Namespace) (err error) {
		it, err = s.store.Item(ctx, tx, n.ID, kind, name)
		return missing(err, kind, name, namespace)
	})
	return it, err
}

func missing(err error, kind, name, namespace string) error {
	if errs.Is(err, errs.NotFound) {
		return notFound(kind, fmt.Sprintf("with name=%.100s in namespace=%.100s", name, namespace))
	}
	return err
}

// AddItem adds one item.
func (s *Service) AddItem(ctx context.Context, namespace string, it Item) (Item, error) {
	if err := it.validate(); err != nil {
		return it, err
	}
	err := s.write(ctx, namespace, []string{"add_metadef_" + it.Kind}, func(tx *store.Tx, n Namespace) error {
		return s.addItem(ctx, tx, n, &it)
	})
	return it, err
}

func (s *Service) addItem(ctx context.Context, tx *store.Tx, n Namespace, it *Item) error {
	if _, err := s.store.Item(ctx, tx, n.ID, it.Kind, it.Name); err == nil {
		return errs.New(errs.Exists, "A metadata definition %s with name=%s in namespace=%s already exists.", it.Kind, it.Name, n.Name)
	}
	it.NamespaceID, it.CreatedAt = n.ID, s.now()
	it.UpdatedAt = it.CreatedAt
	return s.store.AddItem(ctx, tx, *it)
}

// UpdateItem replaces one item, its name included.
func (s *Service) UpdateItem(ctx context.Context, namespace, name string, it Item) (Item, error) {
	if err := it.validate(); err != nil {
		return it, err
	}
	err := s.write(ctx, namespace, []string{"modify_metadef_" + it.Kind}, func(tx *store.Tx, n Namespace) error {
		old, err := s.store.Item(ctx, tx, n.ID, it.Kind, name)
		if err != nil {
			return missing(err, it.Kind, name, namespace)
		}
		if it.Name != name {
			if _, err := s.store.Item(ctx, tx, n.ID, it.Kind, it.Name); err == nil {
				return errs.New(errs.Exists, "A metadata definition %s with name=%s in namespace=%s already exists.", it.Kind, it.Name, n.Name)
			}
		}
		it.NamespaceID, it.CreatedAt, it.UpdatedAt = n.ID, old.CreatedAt, s.now()
		return s.store.SaveItem(ctx, tx, name, it)
	})
	return it, err
}

// DeleteItem removes one item.
func (s *Service) DeleteItem(ctx context.Context, namespace, kind, name string) error {
	return s.write(ctx, namespace, []string{removal(kind)}, func(tx *store.Tx, n Namespace) error {
		if err := unprotected(n, kind); err != nil {
			return err
		}
		return missing(s.store.DeleteItem(ctx, tx, n.ID, kind, name), kind, name, namespace)
	})
}

// DeleteItems removes all items of a kind.
func (s *Service) DeleteItems(ctx context.Context, namespace, kind string) error {
	rules := []string{"delete_metadef_namespace"}
	if kind == Tag {
		rules = append(rules, "delete_metadef_tags")
	}
	return s.write(ctx, namespace, rules, func(tx *store.Tx, n Namespace) error {
		if err := unprotected(n, plural(kind)); err != nil {
			return err
		}
		return s.store.DeleteItems(ctx, tx, n.ID, kind)
	})
}

// AddTags adds several tags at once, in place of all that are there unless
// they are to be appended.
func (s *Service) AddTags(ctx context.Context, namespace string, names []string, keep bool) ([]Item, error) {
	var out []Item
	seen := map[string]bool{}
	for _, name := range names {
		it := Item{Kind: Tag, Name: name, Body: map[string]any{}}
		if err := it.validate(); err != nil {
			return nil, err
		}
		if seen[name] {
			return nil, errs.New(errs.Exists, "The tag %s is given twice.", name)
		}
		seen[name] = true
		out = append(out, it)
	}
	err := s.write(ctx, namespace, []string{"add_metadef_tags"}, func(tx *store.Tx, n Namespace) error {
		if !keep {
			if err := s.store.DeleteItems(ctx, tx, n.ID, Tag); err != nil {
				return err
			}
		}
		for i := range out {
			if err := s.addItem(ctx, tx, n, &out[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}
