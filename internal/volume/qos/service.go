package qos

import (
	"context"
	"maps"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume/voltype"
)

// Deps is what the service needs.
type Deps struct {
	DB    *store.DB
	Table *store.Table[Spec]
	Types *store.Table[voltype.Type] // each names its spec
	Now   func() time.Time
	Check func(ctx context.Context, rule string, t policy.Target) error
}

// Service keeps QoS specs. All of it is the administrator's.
type Service struct{ d Deps }

// New returns the service.
func New(d Deps) *Service { return &Service{d} }

func (s *Service) check(ctx context.Context, verb string) error {
	a := actor.From(ctx)
	return s.d.Check(ctx, "volume_extension:qos_specs_manage:"+verb, policy.Target{"project_id": a.ProjectID, "user_id": a.UserID})
}

func missing(err error, id string) error {
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.NotFound, "No such QoS spec %s.", id)
	}
	return err
}

// Of is the spec that limits volumes of a type, nil if none does, for another service's transaction.
func (s *Service) Of(ctx context.Context, tx *store.Tx, t *voltype.Type) (*Spec, error) {
	if t == nil || t.QoSSpecsID == nil {
		return nil, nil //nolint:nilnil // no limit is an answer
	}
	return s.d.Table.Get(ctx, tx, *t.QoSSpecsID)
}

// List lists QoS specs.
func (s *Service) List(ctx context.Context, q store.Query) (page store.Page[Spec], err error) {
	if err := s.check(ctx, "get_all"); err != nil {
		return page, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.d.Table.List(ctx, tx, q)
		return err
	})
	return page, err
}

// Show returns a QoS spec.
func (s *Service) Show(ctx context.Context, id string) (spec *Spec, err error) {
	if err := s.check(ctx, "get"); err != nil {
		return nil, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		spec, err = s.d.Table.Get(ctx, tx, id)
		return missing(err, id)
	})
	return spec, err
}

// NewSpec is what a QoS spec is made of.
type NewSpec struct {
	Name, Consumer string // of the consumer "" is the back end
	Specs          map[string]string
}

// Create adds a QoS spec.
func (s *Service) Create(ctx context.Context, n NewSpec) (*Spec, error) {
	if err := s.check(ctx, "create"); err != nil {
		return nil, err
	}
	if n.Consumer == "" {
		n.Consumer = BackEnd
	}
	if err := checkConsumer(n.Consumer); err != nil {
		return nil, err
	}
	spec := &Spec{ID: ids.New(), Name: n.Name, Consumer: n.Consumer, Specs: n.Specs, CreatedAt: s.d.Now().UTC()}
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		audit.Created(ctx, spec.ID)
		err := s.d.Table.Insert(ctx, tx, spec)
		if store.Duplicate(err) {
			err = errs.New(errs.Exists, "QoS Specs %s already exists.", spec.Name)
		}
		return err
	})
	return spec, err
}

func checkConsumer(c string) error {
	switch c {
	case FrontEnd, BackEnd, Both:
		return nil
	}
	return errs.New(errs.Invalid, "Invalid qos specs: Valid consumer of QoS specs are: back-end, front-end, both; not %q", c)
}

// Set adds specs to a QoS spec or replaces them; "consumer" is among them. Volumes
// that are attached keep their limits until they are attached again.
func (s *Service) Set(ctx context.Context, id string, set map[string]string) error {
	return s.change(ctx, id, "update", func(spec *Spec) error {
		set := maps.Clone(set)
		if c, ok := set["consumer"]; ok {
			if err := checkConsumer(c); err != nil {
				return err
			}
			spec.Consumer = c
			delete(set, "consumer")
		}
		maps.Copy(spec.Specs, set)
		return nil
	})
}

// Unset removes specs from a QoS spec.
func (s *Service) Unset(ctx context.Context, id string, keys []string) error {
	return s.change(ctx, id, "delete", func(spec *Spec) error {
		for _, k := range keys {
			if _, ok := spec.Specs[k]; !ok {
				return errs.New(errs.NotFound, "QoS spec %s has no spec with key %s.", id, k)
			}
			delete(spec.Specs, k)
		}
		return nil
	})
}

func (s *Service) change(ctx context.Context, id, verb string, change func(spec *Spec) error) error {
	if err := s.check(ctx, verb); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		spec, err := s.d.Table.Get(ctx, tx, id)
		if err != nil {
			return missing(err, id)
		}
		if err := change(spec); err != nil {
			return err
		}
		spec.UpdatedAt = s.d.Now().UTC()
		return s.d.Table.Update(ctx, tx, spec)
	})
}

// Delete removes a QoS spec; one that types name only by force, and then they name none.
func (s *Service) Delete(ctx context.Context, id string, force bool) error {
	if err := s.check(ctx, "delete"); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		types, err := s.types(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(types) > 0 && !force {
			return errs.New(errs.Invalid, "Qos specs still in use.")
		}
		for _, t := range types {
			if err := s.point(ctx, tx, t, nil); err != nil {
				return err
			}
		}
		return s.d.Table.Delete(ctx, tx, id)
	})
}
