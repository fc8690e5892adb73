package placement

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Constraints are what a provider must be like, in a list or in a group of a search.
type Constraints struct {
	Resources   map[string]int64
	Required    [][]string // traits: one of each list
	Forbidden   []string   // traits
	MemberOf    [][]string // aggregates: one of each list
	NotMemberOf []string
	InTree      string // a provider of the tree
}

// Conds are the constraints as conditions on a list of providers.
func (c Constraints) Conds() []store.Cond {
	var out []store.Cond
	set := func(field string, op store.Op, values []string) {
		if len(values) > 0 {
			out = append(out, store.Cond{Field: field, Op: op, Value: values})
		}
	}
	for _, anyOf := range c.Required {
		set("traits", store.HasAny, anyOf)
	}
	set("traits", store.NotAny, c.Forbidden)
	for _, anyOf := range c.MemberOf {
		set("aggregates", store.HasAny, anyOf)
	}
	set("aggregates", store.NotAny, c.NotMemberOf)
	for _, class := range slices.Sorted(maps.Keys(c.Resources)) {
		n := c.Resources[class]
		out = append(out, store.Is("room", []any{class, n, n, n, n}))
	}
	if c.InTree != "" {
		out = append(out, store.Is("in_tree", c.InTree))
	}
	return out
}

// known refuses conditions that name traits or classes which do not exist.
func (s *Service) known(ctx context.Context, tx *store.Tx, conds []store.Cond) error {
	var traits, classes []string
	for _, c := range conds {
		switch v := c.Value.(type) {
		case []string:
			if c.Field == "traits" {
				traits = append(traits, v...)
			}
		case []any:
			if c.Field == "room" {
				classes = append(classes, v[0].(string))
			}
		}
	}
	if err := s.knownTraits(ctx, tx, traits); err != nil {
		return err
	}
	for _, class := range classes {
		if err := s.knownClass(ctx, tx, class); errs.Is(err, errs.Invalid) {
			return errs.Wrap(errs.Invalid, err, "Invalid resource class in resources parameter: %s", errs.As(err).Msg)
		} else if err != nil {
			return err
		}
	}
	return nil
}
