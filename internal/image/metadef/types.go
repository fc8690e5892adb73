package metadef

import (
	"context"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// ResourceTypes are the types of resources that definitions may be for.
type ResourceTypes struct{ *Service }

// List lists the types by name.
func (s *ResourceTypes) List(ctx context.Context, q store.Query) (page store.Page[ResourceType], err error) {
	if err := s.checkNew(ctx, "list_metadef_resource_types"); err != nil {
		return page, err
	}
	err = s.DB.Read(ctx, func(tx *store.Tx) error {
		page, err = s.Tables.ResourceTypes.List(ctx, tx, q)
		return err
	})
	return page, err
}

// Associations say which types of resources namespaces are for.
type Associations struct{ *Service }

// AssociationsOf are the use cases, for the associations of one namespace.
type AssociationsOf struct {
	*Associations
	namespace string
}

// Of returns the use cases for a namespace.
func (s *Associations) Of(namespace string) AssociationsOf { return AssociationsOf{s, namespace} }

// List lists them by type.
func (s AssociationsOf) List(ctx context.Context, q store.Query) (page store.Page[Association], err error) {
	err = s.read(ctx, s.namespace, func(tx *store.Tx, n *Namespace) error {
		page, err = s.Tables.Associations.List(ctx, tx, q.Within(store.Eq("namespace_id", n.ID)))
		return err
	}, "get_metadef_resource_type")
	return page, err
}

// Create says that the namespace is for a type of resource.
func (s AssociationsOf) Create(ctx context.Context, a Association) (*Association, error) {
	if err := a.validate(); err != nil {
		return nil, err
	}
	return &a, s.write(ctx, s.namespace, func(tx *store.Tx, n *Namespace) error {
		return s.add(ctx, tx, n, &a)
	}, "add_metadef_resource_type_association")
}

// add adds an association, and the type if it is new.
func (s *Associations) add(ctx context.Context, tx *store.Tx, n *Namespace, a *Association) error {
	now := s.Now()
	known, err := s.Tables.ResourceTypes.Any(ctx, tx, store.Eq("name", a.ResourceType))
	if err != nil {
		return err
	}
	if !known {
		if err := s.Tables.ResourceTypes.Insert(ctx, tx, &ResourceType{Name: a.ResourceType, CreatedAt: now, UpdatedAt: now}); err != nil {
			return err
		}
	}
	taken, err := s.Tables.Associations.Any(ctx, tx, store.Eq("namespace_id", n.ID), store.Eq("resource_type", a.ResourceType))
	if err != nil {
		return err
	}
	if taken {
		return errs.New(errs.Exists, "The resource type %s is associated with the namespace %s already.", a.ResourceType, n.Name)
	}
	a.NamespaceID, a.CreatedAt, a.UpdatedAt = n.ID, now, now
	return s.Tables.Associations.Insert(ctx, tx, a)
}

// Delete takes an association away.
func (s AssociationsOf) Delete(ctx context.Context, resourceType string) error {
	return s.write(ctx, s.namespace, func(tx *store.Tx, n *Namespace) error {
		if err := unprotected(n, "resource types"); err != nil {
			return err
		}
		return missing(s.Tables.Associations.Delete(ctx, tx, n.ID, resourceType), "resource type", resourceType, s.namespace)
	}, "remove_metadef_resource_type_association")
}

// Unprefixed turns the name that a property has on a type of resource into the
// name that it has in the namespace.
func (s AssociationsOf) Unprefixed(ctx context.Context, resourceType, name string) (string, error) {
	found, err := s.List(ctx, store.Query{})
	if err != nil {
		return "", err
	}
	for _, a := range found.Rows {
		if a.ResourceType == resourceType && a.Prefix != "" {
			rest, ok := strings.CutPrefix(name, a.Prefix)
			if !ok {
				return "", notFound("property", name)
			}
			return rest, nil
		}
	}
	return name, nil
}
