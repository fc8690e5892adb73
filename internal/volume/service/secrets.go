package service

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/volume"
)

// secrets seal the keys of encrypted volumes with one that follows from the
// cloud's master key.
type secrets struct{ master [32]byte }

var _ volume.Secrets = secrets{}

func (s secrets) cipher() (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, s.master[:], nil, "keys of volumes", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Seal hides a secret; only what it is about opens it again.
func (s secrets) Seal(_ context.Context, about string, secret []byte) ([]byte, error) {
	c, err := s.cipher()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, c.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return c.Seal(nonce, nonce, secret, []byte(about)), nil
}

// Open is the inverse of Seal.
func (s secrets) Open(_ context.Context, about string, sealed []byte) ([]byte, error) {
	c, err := s.cipher()
	if err != nil {
		return nil, err
	}
	if len(sealed) < c.NonceSize() {
		return nil, errs.New(errs.Internal, "The key of a volume is damaged.")
	}
	text, err := c.Open(nil, sealed[:c.NonceSize()], sealed[c.NonceSize():], []byte(about))
	if err != nil {
		return nil, errs.Wrap(errs.Internal, err, "The key of a volume cannot be opened: was the master key exchanged?")
	}
	return text, nil
}
