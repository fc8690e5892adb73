package metadef

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// ResourceTypes lists the types of resources that definitions may be for.
func (s *Service) ResourceTypes(ctx context.Context) ([]ResourceType, error) {
	if err := s.checkNew(ctx, "list_metadef_resource_types"); err != nil {
		return nil, err
	}
	var out []ResourceType
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.store.ResourceTypes(ctx, tx)
		return err
	})
	return out, err
}

// Associations lists the types of resources that a namespace is for.
func (s *Service) Associations(ctx context.Context, namespace string) ([]Association, error) {
	var out []Association
	err := s.read(ctx, namespace, []string{"get_metadef_resource_type"}, func(tx *store.Tx, n Namespace) (err error) {
		out, err = s.store.Associations(ctx, tx, n.ID)
		return err
	})
	return out, err
}

// Associate says that a namespace is for a type of resource.
func (s *Service) Associate(ctx context.Context, namespace string, a Association) (Association, error) {
	if err := a.validate(); err != nil {
		return a, err
	}
	err := s.write(ctx, namespace, []string{"add_metadef_resource_type_association"}, func(tx *store.Tx, n Namespace) error {
		return s.associate(ctx, tx, n, &a)
	})
	return a, err
}

// associate adds an association, and the type if it is new.
func (s *Service) associate(ctx context.Context, tx *store.Tx, n Namespace, a *Association) error {
	types, err := s.store.ResourceTypes(ctx, tx)
	if err != nil {
		return err
	}
	now := s.now()
	if !slices.ContainsFunc(types, func(t ResourceType) bool { return t.Name == a.ResourceType }) {
		if err := s.store.AddResourceType(ctx, tx, ResourceType{Name: a.ResourceType, CreatedAt: now, UpdatedAt: now}); err != nil {
			return err
		}
	}
	have, err := s.store.Associations(ctx, tx, n.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(have, func(h Association) bool { return h.ResourceType == a.ResourceType }) {
		return errs.New(errs.Exists, "The resource type %s is associated with the namespace %s already.", a.ResourceType, n.Name)
	}
	a.NamespaceID, a.CreatedAt, a.UpdatedAt = n.ID, now, now
	return s.store.AddAssociation(ctx, tx, *a)
}

// Dissociate takes an association away.
func (s *Service) Dissociate(ctx context.Context, namespace, resourceType string) error {
	return s.write(ctx, namespace, []string{"remove_metadef_resource_type_association"}, func(tx *store.Tx, n Namespace) error {
		if err := unprotected(n, "resource types"); err != nil {
			return err
		}
		if err := s.store.DeleteAssociation(ctx, tx, n.ID, resourceType); err != nil {
			return missing(err, "resource type", resourceType, namespace)
		}
		return nil
	})
}

// Unprefixed turns the name that a property has on a type of resource into the
// name that it has in the namespace.
func (s *Service) Unprefixed(ctx context.Context, namespace, resourceType, name string) (string, error) {
	found, err := s.Associations(ctx, namespace)
	if err != nil {
		return "", err
	}
	for _, a := range found {
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
