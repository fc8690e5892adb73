package identity

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"kumoi/internal/kernel/store"
)

// The purposes of keys.
const (
	tokenKey      = "token"
	credentialKey = "credential"
)

const keyIDLen = 8 // base64 characters, six bytes

// keyring holds the unsealed keys of this process. The newest key that is not
// retired seals; all others still open what they sealed.
type keyring struct {
	master cipher.AEAD
	mu     sync.RWMutex
	byID   map[string]cipher.AEAD
	newest map[string]string // purpose → id
	loaded time.Time
}

func newKeyring(master [32]byte) (*keyring, error) {
	aead, err := chacha20poly1305.NewX(master[:])
	if err != nil {
		return nil, err
	}
	return &keyring{master: aead, byID: map[string]cipher.AEAD{}, newest: map[string]string{}}, nil
}

// forget makes the next use read the keys again.
func (k *keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.newest)
	k.loaded = time.Time{}
}

func (k *keyring) find(id string) (cipher.AEAD, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	a, ok := k.byID[id]
	return a, ok
}

func (k *keyring) sealing(purpose string) (string, cipher.AEAD, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	id, ok := k.newest[purpose]
	return id, k.byID[id], ok
}

// take replaces the ring's content with the database's.
func (k *keyring) take(rows []Key, now time.Time) error {
	byID, newest := map[string]cipher.AEAD{}, map[string]string{}
	slices.SortFunc(rows, func(a, b Key) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, row := range rows {
		if row.Purpose == signingKey {
			continue // it seals nothing
		}
		secret, err := unseal(k.master, row.Sealed, row.Purpose+row.ID)
		if err != nil {
			return fmt.Errorf("key %s cannot be opened: the master key is not the one this database was set up with: %w", row.ID, err)
		}
		aead, err := chacha20poly1305.NewX(secret)
		if err != nil {
			return err
		}
		byID[row.ID] = aead
		if row.RetiredAt.IsZero() {
			newest[row.Purpose] = row.ID
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byID, k.newest, k.loaded = byID, newest, now
	return nil
}

func (k *keyring) loadedAt() time.Time {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.loaded
}

// loadKeys reads the keys, at most once a second: a forged key id must not
// cost a query each time.
func (s *Service) loadKeys(ctx context.Context) error {
	if s.now().Sub(s.keys.loadedAt()).Abs() < time.Second {
		return nil
	}
	var rows []Key
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		rows, err = s.store.Keys.List(ctx, tx, Query{})
		return err
	})
	if err != nil {
		return err
	}
	return s.keys.take(rows, s.now())
}

// sealingKey returns the key that seals for a purpose, making the first one.
func (s *Service) sealingKey(ctx context.Context, purpose string) (string, cipher.AEAD, error) {
	if id, a, ok := s.keys.sealing(purpose); ok {
		return id, a, nil
	}
	s.keys.forget()
	if err := s.loadKeys(ctx); err != nil {
		return "", nil, err
	}
	if id, a, ok := s.keys.sealing(purpose); ok {
		return id, a, nil
	}
	if err := s.rotateKey(ctx, purpose); err != nil {
		return "", nil, err
	}
	s.keys.forget()
	if err := s.loadKeys(ctx); err != nil {
		return "", nil, err
	}
	id, a, ok := s.keys.sealing(purpose)
	if !ok {
		return "", nil, fmt.Errorf("no %s key after making one", purpose)
	}
	return id, a, nil
}

func (s *Service) openingKey(ctx context.Context, id string) (cipher.AEAD, error) {
	if a, ok := s.keys.find(id); ok {
		return a, nil
	}
	if err := s.loadKeys(ctx); err != nil {
		return nil, err
	}
	if a, ok := s.keys.find(id); ok {
		return a, nil
	}
	return nil, errNoKey
}

var errNoKey = errors.New("sealed with a key that is not known")

// RotateKeys makes new keys for tokens and for credentials. Tokens that the
// keys before sealed stay valid; credentials are sealed again with the new key.
func (s *Service) RotateKeys(ctx context.Context) error {
	for _, purpose := range []string{tokenKey, credentialKey} {
		if err := s.rotateKey(ctx, purpose); err != nil {
			return err
		}
	}
	s.keys.forget()
	return s.resealCredentials(ctx)
}

// rotateKey makes a new key that seals from now on. The one before goes on
// opening; a token key goes when no token of it can live.
func (s *Service) rotateKey(ctx context.Context, purpose string) error {
	secret := make([]byte, chacha20poly1305.KeySize)
	raw := make([]byte, keyIDLen*3/4)
	rand.Read(secret)
	rand.Read(raw)
	key := Key{ID: base64.RawURLEncoding.EncodeToString(raw), Purpose: purpose}
	key.Sealed = seal(s.keys.master, secret, purpose+key.ID)
	return s.db.Write(ctx, func(tx *store.Tx) error {
		now := s.now()
		key.CreatedAt = now
		rows, err := s.store.Keys.List(ctx, tx, Query{Where: []Match{Eq("purpose", purpose)}})
		if err != nil {
			return err
		}
		if err := s.store.Keys.Insert(ctx, tx, key); err != nil {
			return err
		}
		for _, old := range rows {
			switch {
			case old.RetiredAt.IsZero():
				old.RetiredAt = now
				err = s.store.Keys.Update(ctx, tx, old)
			case purpose == tokenKey && now.Sub(old.RetiredAt) > s.cfg.TokenTTL+s.cfg.AllowExpiredWindow:
				err = s.store.Keys.Delete(ctx, tx, old.ID)
			}
			if err != nil {
				return err
			}
		}
		if err := s.noted(ctx, tx, purpose+"_key", created, key.ID); err != nil {
			return err
		}
		return s.changed(ctx, tx, keysTag)
	})
}

// seal encrypts text; about binds it to its place, so that one sealed value
// cannot be put where another belongs.
func seal(a cipher.AEAD, text []byte, about string) string {
	nonce := make([]byte, a.NonceSize(), a.NonceSize()+len(text)+a.Overhead())
	rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(a.Seal(nonce, nonce, text, []byte(about)))
}

var errSeal = errors.New("the seal is broken")

func unseal(a cipher.AEAD, sealed, about string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil || len(raw) < a.NonceSize() {
		return nil, errSeal
	}
	text, err := a.Open(nil, raw[:a.NonceSize()], raw[a.NonceSize():], []byte(about))
	if err != nil {
		return nil, errSeal
	}
	return text, nil
}

// sealFor seals with the newest key of a purpose; the key's id leads the text.
func (s *Service) sealFor(ctx context.Context, purpose, about string, text []byte) (string, error) {
	id, a, err := s.sealingKey(ctx, purpose)
	if err != nil {
		return "", err
	}
	return id + seal(a, text, purpose+about), nil
}

// unsealFor is the inverse of sealFor.
func (s *Service) unsealFor(ctx context.Context, purpose, about, sealed string) ([]byte, error) {
	if len(sealed) < keyIDLen {
		return nil, errSeal
	}
	a, err := s.openingKey(ctx, sealed[:keyIDLen])
	if err != nil {
		return nil, err
	}
	return unseal(a, sealed[keyIDLen:], purpose+about)
}
