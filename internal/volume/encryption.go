package volume

import (
	"context"
	"crypto/rand"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// giveKey gives a volume of an encrypted type a key: its source's, whose bytes
// it gets, or a new one.
func (s *Service) giveKey(ctx context.Context, tx *store.Tx, v *Volume, kind *Type, src source) error {
	from := ""
	if src.volume != nil {
		from = src.volume.EncryptionKeyID
	}
	if src.backup != nil {
		from = src.backup.EncryptionKeyID
	}
	if kind.Encryption == nil {
		if from != "" {
			return invalid("Invalid input received: an encrypted source needs a volume type that encrypts.")
		}
		return nil
	}
	if s.secrets == nil {
		return errs.New(errs.Unsupported, "This cloud keeps no keys for encrypted volumes.")
	}
	if v.Multiattach {
		return invalid("Multiattach cannot be used with encrypted volumes.")
	}
	var key []byte
	var err error
	if from != "" {
		key, err = s.openKey(ctx, tx, from)
	} else {
		key = make([]byte, max(kind.Encryption.KeySize, 256)/8)
		_, err = rand.Read(key)
	}
	if err != nil {
		return err
	}
	k := &Key{ID: ids.New(), ProjectID: v.ProjectID}
	if k.Sealed, err = s.secrets.Seal(ctx, k.ID, key); err != nil {
		return err
	}
	v.Encrypted, v.EncryptionKeyID = true, k.ID
	return s.tables.Keys.Insert(ctx, tx, k)
}

// copyKey gives what gets a volume's ciphertext a key of its own, which is the same.
func (s *Service) copyKey(ctx context.Context, tx *store.Tx, from, project string) (string, error) {
	if from == "" {
		return "", nil
	}
	key, err := s.openKey(ctx, tx, from)
	if err != nil {
		return "", err
	}
	k := &Key{ID: ids.New(), ProjectID: project}
	if k.Sealed, err = s.secrets.Seal(ctx, k.ID, key); err != nil {
		return "", err
	}
	return k.ID, s.tables.Keys.Insert(ctx, tx, k)
}

// dropKey forgets a key.
func (s *Service) dropKey(ctx context.Context, tx *store.Tx, id string) error {
	if id == "" {
		return nil
	}
	_, err := s.tables.Keys.DeleteWhere(ctx, tx, store.Eq("id", id))
	return err
}

func (s *Service) openKey(ctx context.Context, tx *store.Tx, id string) ([]byte, error) {
	k, err := s.tables.Keys.Get(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	return s.secrets.Open(ctx, k.ID, k.Sealed)
}

// encryptionTx is how a volume is encrypted, with its key; nil if it is not.
func (s *Service) encryptionTx(ctx context.Context, tx *store.Tx, v *Volume) (*hostapi.VolumeEncryption, error) {
	if v.EncryptionKeyID == "" || s.secrets == nil {
		return nil, nil
	}
	kind, err := s.parts.typeByID(ctx, tx, v.TypeID)
	if err != nil {
		return nil, err
	}
	e := hostapi.VolumeEncryption{Cipher: "aes-xts-plain64", KeySize: 256}
	if kind.Encryption != nil {
		e = *kind.Encryption
	}
	e.Key, err = s.openKey(ctx, tx, v.EncryptionKeyID)
	return &e, err
}
