package network

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// maxTags bounds the tags of one resource.
const maxTags = 50

// taggable is a family for code about tags alone.
type taggable interface {
	tags(ctx context.Context, rule, id string) ([]string, error)
	changeTags(ctx context.Context, rule, id string, change func([]string) ([]string, error)) ([]string, error)
}

// TagCollections lists the collections whose resources can have tags.
func TagCollections() []string { return slices.Sorted(maps.Keys(tagChecks)) }

func (s *Service) taggable(collection string) (taggable, error) {
	f, ok := map[string]taggable{
		"address-groups": s.AddressGroups, "address-scopes": s.AddressScopes, "floatingips": s.FloatingIPs, "networks": s.Networks,
		"policies": s.QoSPolicies, "ports": s.Ports, "rbac-policies": s.RBACPolicies, "routers": s.Routers, "security-groups": s.SecurityGroups,
		"security-group-rules": s.SecurityGroupRules, "subnetpools": s.SubnetPools, "subnets": s.Subnets, "trunks": s.Trunks,
	}[collection]
	if !ok {
		return nil, fault(errs.NotFound, "HTTPNotFound", "The resource could not be found.")
	}
	return f, nil
}

// Tags returns the tags of a resource.
func (s *Service) Tags(ctx context.Context, collection, id string) ([]string, error) {
	f, err := s.taggable(collection)
	if err != nil {
		return nil, err
	}
	return f.tags(ctx, TagRule("get", collection), id)
}

// ChangeTags changes the tags of a resource; the verb is create, update or delete.
func (s *Service) ChangeTags(ctx context.Context, verb, collection, id string, change func([]string) ([]string, error)) ([]string, error) {
	f, err := s.taggable(collection)
	if err != nil {
		return nil, err
	}
	return f.changeTags(ctx, TagRule(verb, collection), id, change)
}

func (f *family[T, P]) tags(ctx context.Context, rule, id string) (out []string, err error) {
	err = f.s.db.Read(ctx, func(tx *store.Tx) error {
		v, err := f.visible(ctx, tx, id)
		if err != nil {
			return err
		}
		out = P(v).Std().Tags
		return f.s.check(ctx, rule, f.policyTarget(v))
	})
	return out, err
}

func (f *family[T, P]) changeTags(ctx context.Context, rule, id string, change func([]string) ([]string, error)) (out []string, err error) {
	err = f.s.db.Write(ctx, func(tx *store.Tx) error {
		v, err := f.openFor(ctx, tx, rule, id, nil)
		if err != nil {
			return err
		}
		tags, err := change(slices.Clone(P(v).Std().Tags))
		if err != nil {
			return err
		}
		if len(tags) > maxTags {
			return invalid("A resource can have at most %d tags.", maxTags)
		}
		out = append([]string{}, tags...)
		P(v).Std().Tags = out
		return f.save(ctx, tx, v)
	})
	return out, err
}

// NoTag is the error of a tag that a resource does not have.
func NoTag(tag string) error {
	return fault(errs.NotFound, "TagNotFound", "Tag %s could not be found.", tag)
}
