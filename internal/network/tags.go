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

// Tags are the use cases of the tags of any resource.
type Tags struct{ s *Service }

func (f *Tags) of(collection string) (taggable, error) {
	each, ok := map[string]taggable{
		"address-groups": f.s.AddressGroups, "address-scopes": f.s.AddressScopes, "floatingips": f.s.FloatingIPs, "networks": f.s.Networks,
		"policies": f.s.QoSPolicies, "ports": f.s.Ports, "rbac-policies": f.s.RBACPolicies, "routers": f.s.Routers, "security-groups": f.s.SecurityGroups,
		"security-group-rules": f.s.SecurityGroupRules, "subnetpools": f.s.SubnetPools, "subnets": f.s.Subnets, "trunks": f.s.Trunks,
	}[collection]
	if !ok {
		return nil, fault(errs.NotFound, "HTTPNotFound", "The resource could not be found.")
	}
	return each, nil
}

// Show returns the tags of a resource.
func (f *Tags) Show(ctx context.Context, collection, id string) ([]string, error) {
	each, err := f.of(collection)
	if err != nil {
		return nil, err
	}
	return each.tags(ctx, TagRule("get", collection), id)
}

// Change changes the tags of a resource; the verb is create, update or delete.
func (f *Tags) Change(ctx context.Context, verb, collection, id string, change func([]string) ([]string, error)) ([]string, error) {
	each, err := f.of(collection)
	if err != nil {
		return nil, err
	}
	return each.changeTags(ctx, TagRule(verb, collection), id, change)
}

func (f *family[T, P]) tags(ctx context.Context, rule, id string) (out []string, err error) {
	err = f.s.db.Read(ctx, func(tx *store.Tx) error {
		v, err := f.visible(ctx, tx, id)
		if err != nil {
			return err
		}
		out = P(v).Std().Tags
		return f.s.Access.check(ctx, rule, f.policyTarget(v))
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
