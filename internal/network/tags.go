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

// taggable is a kind of resource for code about tags alone.
type taggable interface {
	readTags(ctx context.Context, s *Service, tx *store.Tx, rule, id string) ([]string, error)
	changeTags(ctx context.Context, s *Service, tx *store.Tx, rule, id string, change func([]string) ([]string, error)) ([]string, error)
}

// tagKinds are the collections whose resources can have tags.
var tagKinds = map[string]taggable{
	"rbac-policies": rbacs, "trunks": trunks,
}

// TagCollections lists the collections whose resources can have tags.
func TagCollections() []string { return slices.Sorted(maps.Keys(tagChecks)) }

func (k *kind[T, P]) readTags(ctx context.Context, s *Service, tx *store.Tx, rule, id string) ([]string, error) {
	v, err := k.visible(ctx, s, tx, id)
	if err != nil {
		return nil, err
	}
	return P(v).Std().Tags, s.check(ctx, rule, k.policyTarget(v))
}

func (k *kind[T, P]) changeTags(ctx context.Context, s *Service, tx *store.Tx, rule, id string, change func([]string) ([]string, error)) ([]string, error) {
	v, err := k.openFor(ctx, s, tx, rule, id, Change{})
	if err != nil {
		return nil, err
	}
	tags, err := change(slices.Clone(P(v).Std().Tags))
	if err != nil {
		return nil, err
	}
	if len(tags) > maxTags {
		return nil, invalid("A resource can have at most %d tags.", maxTags)
	}
	if tags == nil {
		tags = []string{}
	}
	P(v).Std().Tags = tags
	return tags, k.save(ctx, s, tx, v)
}

func (f *family[T, P]) readTags(ctx context.Context, s *Service, tx *store.Tx, rule, id string) ([]string, error) {
	v, err := f.visible(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	return P(v).Std().Tags, s.check(ctx, rule, f.policyTarget(v))
}

func (f *family[T, P]) changeTags(ctx context.Context, _ *Service, tx *store.Tx, rule, id string, change func([]string) ([]string, error)) ([]string, error) {
	v, err := f.openFor(ctx, tx, rule, id, nil)
	if err != nil {
		return nil, err
	}
	tags, err := change(slices.Clone(P(v).Std().Tags))
	if err != nil {
		return nil, err
	}
	if len(tags) > maxTags {
		return nil, invalid("A resource can have at most %d tags.", maxTags)
	}
	P(v).Std().Tags = append([]string{}, tags...)
	return P(v).Std().Tags, f.save(ctx, tx, v)
}

func (s *Service) tagKind(collection string) (taggable, error) {
	switch collection {
	case "address-scopes":
		return s.AddressScopes, nil
	case "address-groups":
		return s.AddressGroups, nil
	case "networks":
		return s.Networks, nil
	case "subnets":
		return s.Subnets, nil
	case "ports":
		return s.Ports, nil
	case "routers":
		return s.Routers, nil
	case "floatingips":
		return s.FloatingIPs, nil
	case "subnetpools":
		return s.SubnetPools, nil
	case "security-groups":
		return s.SecurityGroups, nil
	case "policies":
		return s.QoSPolicies, nil
	case "security-group-rules":
		return s.SecurityGroupRules, nil
	}
	if k, ok := tagKinds[collection]; ok {
		return k, nil
	}
	return nil, fault(errs.NotFound, "HTTPNotFound", "The resource could not be found.")
}

// Tags returns the tags of a resource.
func (s *Service) Tags(ctx context.Context, collection, id string) ([]string, error) {
	k, err := s.tagKind(collection)
	if err != nil {
		return nil, err
	}
	var out []string
	err = s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = k.readTags(ctx, s, tx, TagRule("get", collection), id)
		return err
	})
	return out, err
}

// ChangeTags changes the tags of a resource; the verb is create, update or delete.
func (s *Service) ChangeTags(ctx context.Context, tx *store.Tx, verb, collection, id string, change func([]string) ([]string, error)) ([]string, error) {
	k, err := s.tagKind(collection)
	if err != nil {
		return nil, err
	}
	return k.changeTags(ctx, s, tx, TagRule(verb, collection), id, change)
}

// NoTag is the error of a tag that a resource does not have.
func NoTag(tag string) error {
	return fault(errs.NotFound, "TagNotFound", "Tag %s could not be found.", tag)
}
