package metadef

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Namespaces are known by their names.
type Namespaces struct{ *Service }

// List returns a page of namespaces with their associations; a marker is a name.
func (s *Namespaces) List(ctx context.Context, q store.Query) (page store.Page[Namespace], err error) {
	if err := s.checkNew(ctx, "get_metadef_namespaces", "list_metadef_resource_types"); err != nil {
		return page, err
	}
	if !s.admin(ctx) {
		q = q.Within(store.Or(store.Eq("visibility", "public"), store.Eq("owner", actor.From(ctx).ProjectID)))
	}
	q.Cap = s.PageMax
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		at := q
		if q.Marker != "" && q.Limit >= 0 {
			n, err := s.visible(ctx, tx, q.Marker)
			if err != nil {
				return err
			}
			at.Marker = n.ID
		}
		if page, err = s.Tables.Namespaces.List(ctx, tx, at); err != nil {
			return err
		}
		return s.associated(ctx, tx, page.Rows)
	})
	return page, err
}

// associated fills in the associations.
func (s *Namespaces) associated(ctx context.Context, tx *store.Tx, list []*Namespace) error {
	byID, keys := map[string]*Namespace{}, make([]string, len(list))
	for i, n := range list {
		byID[n.ID], keys[i] = n, n.ID
	}
	all, err := s.Tables.Associations.All(ctx, tx, store.In("namespace_id", keys))
	for _, a := range all {
		n := byID[a.NamespaceID]
		n.Associations = append(n.Associations, a)
	}
	return err
}

// Show returns a namespace with all that it holds.
func (s *Namespaces) Show(ctx context.Context, name string) (*Namespace, error) {
	var found *Namespace
	err := s.read(ctx, name, func(tx *store.Tx, n *Namespace) error {
		found = n
		if err := s.associated(ctx, tx, []*Namespace{n}); err != nil {
			return err
		}
		items, err := s.Tables.Items.All(ctx, tx, store.Eq("namespace_id", n.ID))
		for _, it := range items {
			list := n.list(it.Kind)
			*list = append(*list, it)
		}
		return err
	}, "get_metadef_namespace", "list_metadef_resource_types", "get_metadef_objects", "get_metadef_properties", "get_metadef_tags")
	return found, err
}

// list is where a namespace has the items of a kind.
func (n *Namespace) list(kind string) *[]*Item {
	switch kind {
	case Object:
		return &n.Objects
	case Property:
		return &n.Properties
	}
	return &n.Tags
}

// Create adds a namespace with all that it holds.
func (s *Namespaces) Create(ctx context.Context, n Namespace) (*Namespace, error) {
	rules := []string{"add_metadef_namespace"}
	for rule, k := range map[string]int{
		"add_metadef_resource_type_association": len(n.Associations), "add_metadef_object": len(n.Objects),
		"add_metadef_property": len(n.Properties), "add_metadef_tag": len(n.Tags),
	} {
		if k > 0 {
			rules = append(rules, rule)
		}
	}
	if err := s.checkNew(ctx, rules...); err != nil {
		return nil, err
	}
	if n.Owner == "" {
		n.Owner = actor.From(ctx).ProjectID
	}
	if err := n.validate(); err != nil {
		return nil, err
	}
	return &n, s.DB.Write(ctx, func(tx *store.Tx) error { return s.add(ctx, tx, &n) })
}

// free refuses a name that is taken.
func (s *Namespaces) free(ctx context.Context, tx *store.Tx, name string) error {
	taken, err := s.Tables.Namespaces.Any(ctx, tx, store.Eq("name", name))
	if err == nil && taken {
		err = errs.New(errs.Exists, "The metadata definition namespace %s already exists.", name)
	}
	return err
}

// add writes a whole namespace.
func (s *Namespaces) add(ctx context.Context, tx *store.Tx, n *Namespace) error {
	if err := s.free(ctx, tx, n.Name); err != nil {
		return err
	}
	n.ID, n.CreatedAt = ids.New(), s.Now()
	n.UpdatedAt = n.CreatedAt
	if err := s.Tables.Namespaces.Insert(ctx, tx, n); err != nil {
		return err
	}
	for _, a := range n.Associations {
		if err := s.Associations.add(ctx, tx, n, a); err != nil {
			return err
		}
	}
	for _, kind := range []string{Object, Property, Tag} {
		for _, it := range *n.list(kind) {
			it.NamespaceID, it.Kind, it.CreatedAt, it.UpdatedAt = n.ID, kind, n.CreatedAt, n.CreatedAt
			if err := s.Tables.Items.Insert(ctx, tx, it); err != nil {
				return err
			}
		}
	}
	return nil
}

// Update replaces a namespace's own attributes.
func (s *Namespaces) Update(ctx context.Context, name string, with Namespace) (*Namespace, error) {
	with.Associations, with.Objects, with.Properties, with.Tags = nil, nil, nil, nil
	if with.Owner == "" {
		with.Owner = actor.From(ctx).ProjectID
	}
	if err := with.validate(); err != nil {
		return nil, err
	}
	return &with, s.write(ctx, name, func(tx *store.Tx, n *Namespace) error {
		if with.Name != name {
			if err := s.free(ctx, tx, with.Name); err != nil {
				return err
			}
		}
		with.ID, with.CreatedAt, with.UpdatedAt = n.ID, n.CreatedAt, s.Now()
		return s.Tables.Namespaces.Update(ctx, tx, &with)
	}, "modify_metadef_namespace")
}

// Delete removes a namespace with all that it holds.
func (s *Namespaces) Delete(ctx context.Context, name string) error {
	return s.write(ctx, name, func(tx *store.Tx, n *Namespace) error {
		if n.Protected {
			return errs.New(errs.Forbidden, "Metadata definition namespace %s is protected and cannot be deleted.", n.Name)
		}
		return s.Tables.Namespaces.Delete(ctx, tx, n.ID)
	}, "delete_metadef_namespace")
}
