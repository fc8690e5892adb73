package volume

import (
	"context"
	"crypto/rand"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// keys are those of encrypted volumes.
type keys struct{ s *Service }

// give gives a volume of an encrypted type a key: its source's, whose bytes
// it gets, or a new one.
func (f *keys) give(ctx context.Context, tx *store.Tx, v *Volume, kind *Type, src source) error {
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
	if f.s.secrets == nil {
		return errs.New(errs.Unsupported, "This cloud keeps no keys for encrypted volumes.")
	}
	if v.Multiattach {
		return invalid("Multiattach cannot be used with encrypted volumes.")
	}
	var key []byte
	var err error
	if from != "" {
		key, err = f.open(ctx, tx, from)
	} else {
		key = make([]byte, max(kind.Encryption.KeySize, 256)/8)
		_, err = rand.Read(key)
	}
	if err != nil {
		return err
	}
	k := &Key{ID: ids.New(), ProjectID: v.ProjectID}
	if k.Sealed, err = f.s.secrets.Seal(ctx, k.ID, key); err != nil {
		return err
	}
	v.Encrypted, v.EncryptionKeyID = true, k.ID
	return f.s.tables.Keys.Insert(ctx, tx, k)
}

// copy gives what gets a volume's ciphertext a key of its own, which is the same.
func (f *keys) copy(ctx context.Context, tx *store.Tx, from, project string) (string, error) {
	if from == "" {
		return "", nil
	}
	key, err := f.open(ctx, tx, from)
	if err != nil {
		return "", err
	}
	k := &Key{ID: ids.New(), ProjectID: project}
	if k.Sealed, err = f.s.secrets.Seal(ctx, k.ID, key); err != nil {
		return "", err
	}
	return k.ID, f.s.tables.Keys.Insert(ctx, tx, k)
}

// drop forgets a key.
func (f *keys) drop(ctx context.Context, tx *store.Tx, id string) error {
	if id == "" {
		return nil
	}
	_, err := f.s.tables.Keys.DeleteWhere(ctx, tx, store.Eq("id", id))
	return err
}

func (f *keys) open(ctx context.Context, tx *store.Tx, id string) ([]byte, error) {
	k, err := f.s.tables.Keys.Get(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	return f.s.secrets.Open(ctx, k.ID, k.Sealed)
}

// encryption is how a volume is encrypted, with its key; nil if it is not.
func (f *keys) encryption(ctx context.Context, tx *store.Tx, v *Volume) (*hostapi.VolumeEncryption, error) {
	if v.EncryptionKeyID == "" || f.s.secrets == nil {
		return nil, nil
	}
	kind, err := f.s.parts.typeByID(ctx, tx, v.TypeID)
	if err != nil {
		return nil, err
	}
	e := hostapi.VolumeEncryption{Cipher: "aes-xts-plain64", KeySize: 256}
	if kind.Encryption != nil {
		e = *kind.Encryption
	}
	e.Key, err = f.open(ctx, tx, v.EncryptionKeyID)
	return &e, err
}
