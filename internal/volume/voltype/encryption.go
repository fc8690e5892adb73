package voltype

import (
	"context"

	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// EncryptionOf is how volumes of a type are encrypted, nil if they are not, for
// another service's transaction.
func (s *Service) EncryptionOf(ctx context.Context, tx *store.Tx, typeID string) (*Encryption, error) {
	e, err := s.d.Encryptions.Get(ctx, tx, typeID)
	if errs.Is(err, errs.NotFound) {
		return nil, nil //nolint:nilnil // no encryption is an answer
	}
	return e, err
}

// Encryption returns how volumes of a type are encrypted, nil if they are not.
func (s *Service) Encryption(ctx context.Context, typeID string) (e *Encryption, err error) {
	if err := s.check(ctx, "volume_extension:volume_type_encryption:get"); err != nil {
		return nil, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if _, err = s.Get(ctx, tx, typeID); err != nil {
			return err
		}
		e, err = s.EncryptionOf(ctx, tx, typeID)
		return err
	})
	return e, err
}

// NoEncryption says that a type's volumes are not encrypted.
func NoEncryption(typeID string) error {
	return errs.New(errs.NotFound, "Volume type encryption for type %s does not exist.", typeID)
}

// EncryptionPatch says how volumes of a type are to be encrypted.
type EncryptionPatch struct {
	Provider        change.Optional[string]
	Cipher          change.Optional[string]
	KeySize         change.Optional[int]
	ControlLocation change.Optional[string]
}

func (p EncryptionPatch) apply(e *Encryption) {
	p.Provider.Into(&e.Provider)
	p.Cipher.IntoPointer(&e.Cipher)
	p.KeySize.IntoPointer(&e.KeySize)
	p.ControlLocation.Into(&e.ControlLocation)
}

// CreateEncryption has the volumes of a type encrypted, of which there must be none yet.
func (s *Service) CreateEncryption(ctx context.Context, typeID string, p EncryptionPatch) (*Encryption, error) {
	e := &Encryption{TypeID: typeID, ID: ids.New(), CreatedAt: s.d.Now().UTC()}
	p.apply(e)
	err := s.encrypted(ctx, typeID, "create", func(tx *store.Tx) error {
		audit.Created(ctx, e.ID)
		err := s.d.Encryptions.Insert(ctx, tx, e)
		if store.Duplicate(err) {
			err = errs.New(errs.Invalid, "Volume type encryption for type %s already exists.", typeID)
		}
		return err
	})
	return e, err
}

// UpdateEncryption changes it.
func (s *Service) UpdateEncryption(ctx context.Context, typeID string, p EncryptionPatch) error {
	return s.encrypted(ctx, typeID, "update", func(tx *store.Tx) error {
		e, err := s.d.Encryptions.Get(ctx, tx, typeID)
		if err != nil {
			return s.noEncryption(err, typeID)
		}
		p.apply(e)
		e.UpdatedAt = s.d.Now().UTC()
		return s.d.Encryptions.Update(ctx, tx, e)
	})
}

// DeleteEncryption leaves new volumes of the type unencrypted.
func (s *Service) DeleteEncryption(ctx context.Context, typeID string) error {
	return s.encrypted(ctx, typeID, "delete", func(tx *store.Tx) error {
		return s.noEncryption(s.d.Encryptions.Delete(ctx, tx, typeID), typeID)
	})
}

func (*Service) noEncryption(err error, typeID string) error {
	if errs.Is(err, errs.NotFound) {
		return NoEncryption(typeID)
	}
	return err
}

func (s *Service) encrypted(ctx context.Context, typeID, verb string, change func(tx *store.Tx) error) error {
	if err := s.check(ctx, "volume_extension:volume_type_encryption:"+verb); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.Get(ctx, tx, typeID); err != nil {
			return err
		}
		if used, err := s.d.InUse(ctx, tx, typeID); used || err != nil {
			return orInUse(err, "Cannot "+verb+" encryption specs. Volume type in use.")
		}
		return change(tx)
	})
}
