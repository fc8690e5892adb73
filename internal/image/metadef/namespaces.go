package metadef

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Detail is a namespace with all that it holds.
type Detail struct {
	Namespace
	Associations []Association
	Objects      []Item
	Properties   []Item
	Tags         []Item
}

// List returns one page of namespaces with their associations; marker is the
// name of the last one of the page before.
func (s *Service) List(ctx context.Context, q Query, marker string) ([]Detail, error) {
	if err := s.checkNew(ctx, "get_metadef_namespaces", "list_metadef_resource_types"); err != nil {
		return nil, err
	}
	q.Everything, q.Project = s.admin(ctx), actor.From(ctx).ProjectID
	if q.SortKey == "" {
		q.SortKey = "created_at"
	}
	if !slices.Contains([]string{"created_at", "updated_at", "namespace"}, q.SortKey) {
		return nil, errs.New(errs.Invalid, "Invalid sort key: %.100s. It must be one of the following: created_at, updated_at, namespace.", q.SortKey)
	}
	var out []Detail
	if q.Limit == 0 {
		return out, nil
	}
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		if marker != "" {
			n, err := s.visible(ctx, tx, marker)
			if err != nil {
				return err
			}
			q.Marker = &n
		}
		list, err := s.store.Namespaces(ctx, tx, q)
		if err != nil {
			return err
		}
		out = make([]Detail, len(list))
		index := map[string]*Detail{}
		keys := make([]string, len(list))
		for i, n := range list {
			out[i].Namespace = n
			index[n.ID], keys[i] = &out[i], n.ID
		}
		all, err := s.store.Associations(ctx, tx, keys...)
		for _, a := range all {
			d := index[a.NamespaceID]
			d.Associations = append(d.Associations, a)
		}
		return err
	})
	return out, err
}

// Show returns a namespace with all that it holds.
func (s *Service) Show(ctx context.Context, name string) (Detail, error) {
	var d Detail
	rules := []string{"get_metadef_namespace", "list_metadef_resource_types", "get_metadef_objects", "get_metadef_properties", "get_metadef_tags"}
	err := s.read(ctx, name, rules, func(tx *store.Tx, n Namespace) (err error) {
		d, err = s.detail(ctx, tx, n)
		return err
	})
	return d, err
}

func (s *Service) detail(ctx context.Context, tx *store.Tx, n Namespace) (Detail, error) {
	d := Detail{Namespace: n}
	var err error
	if d.Associations, err = s.store.Associations(ctx, tx, n.ID); err != nil {
		return d, err
	}
	for kind, dst := range map[string]*[]Item{Object: &d.Objects, Property: &d.Properties, Tag: &d.Tags} {
		if *dst, err = s.store.Items(ctx, tx, n.ID, kind); err != nil {
			return d, err
		}
	}
	return d, nil
}

// Create adds a namespace with all that d holds.
func (s *Service) Create(ctx context.Context, d Detail) (Detail, error) {
	rules := []string{"add_metadef_namespace"}
	for rule, n := range map[string]int{
		"add_metadef_resource_type_association": len(d.Associations), "add_metadef_object": len(d.Objects),
		"add_metadef_property": len(d.Properties), "add_metadef_tag": len(d.Tags),
	} {
		if n > 0 {
			rules = append(rules, rule)
		}
	}
	if err := s.checkNew(ctx, rules...); err != nil {
		return d, err
	}
	if d.Owner == "" {
		d.Owner = actor.From(ctx).ProjectID
	}
	if err := validate(&d); err != nil {
		return d, err
	}
	d.ID, d.CreatedAt = ids.New(), s.now()
	d.UpdatedAt = d.CreatedAt
	err := s.db.Write(ctx, func(tx *store.Tx) error { return s.add(ctx, tx, &d) })
	return d, err
}

// add writes a whole namespace.
func (s *Service) add(ctx context.Context, tx *store.Tx, d *Detail) error {
	if _, err := s.store.Namespace(ctx, tx, d.Name); err == nil {
		return errs.New(errs.Exists, "The metadata definition namespace %s already exists.", d.Name)
	}
	if err := s.store.AddNamespace(ctx, tx, d.Namespace); err != nil {
		return err
	}
	for i := range d.Associations {
		if err := s.associate(ctx, tx, d.Namespace, &d.Associations[i]); err != nil {
			return err
		}
	}
	for kind, items := range map[string][]Item{Object: d.Objects, Property: d.Properties, Tag: d.Tags} {
		for i := range items {
			items[i].NamespaceID, items[i].Kind = d.ID, kind
			items[i].CreatedAt, items[i].UpdatedAt = d.CreatedAt, d.CreatedAt
			if err := s.store.AddItem(ctx, tx, items[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Update replaces a namespace's own attributes.
func (s *Service) Update(ctx context.Context, name string, with Namespace) (Namespace, error) {
	if with.Visibility == "" {
		with.Visibility = "private"
	}
	if with.Owner == "" {
		with.Owner = actor.From(ctx).ProjectID
	}
	if err := validate(&Detail{Namespace: with}); err != nil {
		return with, err
	}
	err := s.write(ctx, name, []string{"modify_metadef_namespace"}, func(tx *store.Tx, n Namespace) error {
		if with.Name != name {
			if _, err := s.store.Namespace(ctx, tx, with.Name); err == nil {
				return errs.New(errs.Exists, "The metadata definition namespace %s already exists.", with.Name)
			}
		}
		with.ID, with.CreatedAt, with.UpdatedAt = n.ID, n.CreatedAt, s.now()
		return s.store.SaveNamespace(ctx, tx, with)
	})
	return with, err
}

// Delete removes a namespace with all that it holds.
func (s *Service) Delete(ctx context.Context, name string) error {
	return s.write(ctx, name, []string{"delete_metadef_namespace"}, func(tx *store.Tx, n Namespace) error {
		if n.Protected {
			return errs.New(errs.Forbidden, "Metadata definition namespace %s is protected and cannot be deleted.", n.Name)
		}
		return s.store.DeleteNamespace(ctx, tx, n.ID)
	})
}
