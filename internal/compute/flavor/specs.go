package flavor

import (
	"context"
	"maps"

	"kumoi/internal/kernel/errs"
)

// ExtraSpecs returns a flavor's extra specs.
func (s *Service) ExtraSpecs(ctx context.Context, id string) (map[string]string, error) {
	return s.specs(ctx, id, "os-flavor-extra-specs:index")
}

// ExtraSpec returns one.
func (s *Service) ExtraSpec(ctx context.Context, id, key string) (string, error) {
	specs, err := s.specs(ctx, id, "os-flavor-extra-specs:show")
	if err != nil {
		return "", err
	}
	v, ok := specs[key]
	if !ok {
		return "", noSpec(id, key)
	}
	return v, nil
}

func (s *Service) specs(ctx context.Context, id, rule string) (map[string]string, error) {
	if err := s.d.Check(ctx, rule); err != nil {
		return nil, err
	}
	f, err := s.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	return f.ExtraSpecs, nil
}

// CreateExtraSpecs adds extra specs to a flavor, or replaces them.
func (s *Service) CreateExtraSpecs(ctx context.Context, id string, set map[string]string) error {
	return s.setSpecs(ctx, id, "os-flavor-extra-specs:create", set)
}

// UpdateExtraSpec replaces one extra spec of a flavor, or adds it.
func (s *Service) UpdateExtraSpec(ctx context.Context, id, key, value string) error {
	return s.setSpecs(ctx, id, "os-flavor-extra-specs:update", map[string]string{key: value})
}

func (s *Service) setSpecs(ctx context.Context, id, rule string, set map[string]string) error {
	_, err := s.change(ctx, id, rule, func(f *Flavor) error {
		if f.ExtraSpecs == nil {
			f.ExtraSpecs = map[string]string{}
		}
		maps.Copy(f.ExtraSpecs, set)
		return nil
	})
	return err
}

// DeleteExtraSpec removes one extra spec.
func (s *Service) DeleteExtraSpec(ctx context.Context, id, key string) error {
	_, err := s.change(ctx, id, "os-flavor-extra-specs:delete", func(f *Flavor) error {
		if _, ok := f.ExtraSpecs[key]; !ok {
			return noSpec(id, key)
		}
		delete(f.ExtraSpecs, key)
		return nil
	})
	return err
}

func noSpec(id, key string) error {
	return errs.New(errs.NotFound, "Flavor %s has no extra specs with key %s.", id, key)
}
