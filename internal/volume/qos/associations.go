package qos

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume/voltype"
)

// Associations lists the types that name a QoS spec.
func (s *Service) Associations(ctx context.Context, id string) (types []*voltype.Type, err error) {
	if err := s.check(ctx, "get_all"); err != nil {
		return nil, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		types, err = s.types(ctx, tx, id)
		return err
	})
	return types, err
}

// types are those that name a QoS spec, which must be there.
func (s *Service) types(ctx context.Context, tx *store.Tx, id string) ([]*voltype.Type, error) {
	if _, err := s.d.Table.Get(ctx, tx, id); err != nil {
		return nil, missing(err, id)
	}
	return s.d.Types.All(ctx, tx, store.Eq("qos_specs_id", id))
}

func (s *Service) point(ctx context.Context, tx *store.Tx, t *voltype.Type, id *string) error {
	t.QoSSpecsID = id
	return s.d.Types.Update(ctx, tx, t)
}

// Associate lets a type name a QoS spec, if it names no other.
func (s *Service) Associate(ctx context.Context, id, typeID string) error {
	return s.associate(ctx, id, typeID, func(tx *store.Tx, t *voltype.Type) error {
		if t.QoSSpecsID != nil && *t.QoSSpecsID != id {
			return errs.New(errs.Invalid, "Invalid volume type: Type %s is already associated with another qos specs: %s", typeID, *t.QoSSpecsID)
		}
		return s.point(ctx, tx, t, &id)
	})
}

// Disassociate lets a type name none.
func (s *Service) Disassociate(ctx context.Context, id, typeID string) error {
	return s.associate(ctx, id, typeID, func(tx *store.Tx, t *voltype.Type) error {
		if t.QoSSpecsID == nil || *t.QoSSpecsID != id {
			return nil
		}
		return s.point(ctx, tx, t, nil)
	})
}

func (s *Service) associate(ctx context.Context, id, typeID string, change func(tx *store.Tx, t *voltype.Type) error) error {
	if err := s.check(ctx, "update"); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.d.Table.Get(ctx, tx, id); err != nil {
			return missing(err, id)
		}
		t, err := s.d.Types.Get(ctx, tx, typeID)
		if errs.Is(err, errs.NotFound) {
			return errs.New(errs.NotFound, "Volume type %s could not be found.", typeID)
		}
		if err != nil {
			return err
		}
		return change(tx, t)
	})
}

// DisassociateAll lets no type name a QoS spec.
func (s *Service) DisassociateAll(ctx context.Context, id string) error {
	if err := s.check(ctx, "update"); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		types, err := s.types(ctx, tx, id)
		for _, t := range types {
			if err := s.point(ctx, tx, t, nil); err != nil {
				return err
			}
		}
		return err
	})
}
