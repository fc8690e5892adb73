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

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/store"
)

// The purposes of keys.
const (
	tokenKey      = "token"
	credentialKey = "credential"
)

const keyIDLen = 8 // base64 characters, six bytes

// keyring holds the unsealed keys of this process. The newest key whose time
// has come seals; all others open what they seal elsewhere or sealed before.
type keyring struct {
	master cipher.AEAD
	mu     sync.RWMutex
	byID   map[string]cipher.AEAD
	seals  map[string][]sealingFrom // by purpose, oldest first
	loaded time.Time
}

// sealingFrom is a key and the moment it begins to seal.
type sealingFrom struct {
	id   string
	from time.Time
}

func newKeyring(master [32]byte) (*keyring, error) {
	aead, err := chacha20poly1305.NewX(master[:])
	if err != nil {
		return nil, err
	}
	return &keyring{master: aead, byID: map[string]cipher.AEAD{}, seals: map[string][]sealingFrom{}}, nil
}

// forget makes the next use read the keys again.
func (k *keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.seals)
	k.loaded = time.Time{}
}

func (k *keyring) find(id string) (cipher.AEAD, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	a, ok := k.byID[id]
	return a, ok
}

func (k *keyring) sealing(purpose string, now time.Time) (string, cipher.AEAD, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	keys := k.seals[purpose]
	for i := len(keys) - 1; i >= 0; i-- {
		if i == 0 || !now.Before(keys[i].from) { // the first seals even if its maker's clock is ahead
			return keys[i].id, k.byID[keys[i].id], true
		}
	}
	return "", nil, false
}

// take replaces the ring's content with the database's.
func (k *keyring) take(rows []Key, now time.Time) error {
	byID, seals := map[string]cipher.AEAD{}, map[string][]sealingFrom{}
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
		seals[row.Purpose] = append(seals[row.Purpose], sealingFrom{row.ID, row.CreatedAt})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.byID, k.seals, k.loaded = byID, seals, now
	return nil
}

func (k *keyring) loadedAt() time.Time {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.loaded
}

// load reads the keys, at most once a second: a forged key id must not
// cost a query each time.
func (f *sealer) load(ctx context.Context) error {
	if f.s.now().Sub(f.s.keys.loadedAt()).Abs() < time.Second {
		return nil
	}
	var rows []Key
	err := f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		rows, err = family.Find(ctx, tx, f.s.store.Keys)
		return err
	})
	if err != nil {
		return err
	}
	return f.s.keys.take(rows, f.s.now())
}

// sealingKey returns the key that seals for a purpose, making the first one.
func (f *sealer) sealingKey(ctx context.Context, purpose string) (string, cipher.AEAD, error) {
	if id, a, ok := f.s.keys.sealing(purpose, f.s.now()); ok {
		return id, a, nil
	}
	f.s.keys.forget()
	if err := f.load(ctx); err != nil {
		return "", nil, err
	}
	if id, a, ok := f.s.keys.sealing(purpose, f.s.now()); ok {
		return id, a, nil
	}
	if err := f.rotate(ctx, purpose, 0); err != nil {
		return "", nil, err
	}
	f.s.keys.forget()
	if err := f.load(ctx); err != nil {
		return "", nil, err
	}
	id, a, ok := f.s.keys.sealing(purpose, f.s.now())
	if !ok {
		return "", nil, fmt.Errorf("no %s key after making one", purpose)
	}
	return id, a, nil
}

func (f *sealer) openingKey(ctx context.Context, id string) (cipher.AEAD, error) {
	if a, ok := f.s.keys.find(id); ok {
		return a, nil
	}
	if err := f.load(ctx); err != nil {
		return nil, err
	}
	if a, ok := f.s.keys.find(id); ok {
		return a, nil
	}
	return nil, errNoKey
}

var errNoKey = errors.New("sealed with a key that is not known")

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

// seal seals with the newest key of a purpose; the key's id leads the text.
func (f *sealer) seal(ctx context.Context, purpose, about string, text []byte) (string, error) {
	id, a, err := f.sealingKey(ctx, purpose)
	if err != nil {
		return "", err
	}
	return id + seal(a, text, purpose+about), nil
}

// open is the inverse of sealFor.
func (f *sealer) open(ctx context.Context, purpose, about, sealed string) ([]byte, error) {
	if len(sealed) < keyIDLen {
		return nil, errSeal
	}
	a, err := f.openingKey(ctx, sealed[:keyIDLen])
	if err != nil {
		return nil, err
	}
	return unseal(a, sealed[keyIDLen:], purpose+about)
}
