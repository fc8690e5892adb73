package identity

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// stageKeys is how long a new key is known before it seals: until every server
// has looked for events, so that none meets what it cannot open.
const stageKeys = 4 * pollEvery

// RotateKeys makes new keys for tokens and for credentials, and returns when
// they are in use. Tokens that the keys before sealed stay valid; credentials
// and the secrets of domains' options are sealed again with the new key.
func (s *Service) RotateKeys(ctx context.Context) error {
	for _, purpose := range []string{tokenKey, credentialKey} {
		if err := s.sealer.rotate(ctx, purpose, stageKeys); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err() // the keys come into use; the next rotation seals again
	case <-time.After(stageKeys):
	}
	if err := s.sealer.resealCredentials(ctx); err != nil {
		return err
	}
	if err := s.sealer.resealOptions(ctx); err != nil {
		return err
	}
	return s.sealer.dropCredentialKeys(ctx)
}

// rotate makes a new key that seals after a while. The one before goes on
// opening; a token key goes when no token of it can live.
func (f *sealer) rotate(ctx context.Context, purpose string, after time.Duration) error {
	secret := make([]byte, chacha20poly1305.KeySize)
	rand.Read(secret)
	key := Key{ID: opaque(keyIDLen), Purpose: purpose}
	key.Sealed = seal(f.s.keys.master, secret, purpose+key.ID)
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		now := f.s.now()
		key.CreatedAt = now.Add(after)
		rows, err := family.Find(ctx, tx, f.s.store.Keys, store.Eq("purpose", purpose))
		if err != nil {
			return err
		}
		if err := f.s.store.Keys.Insert(ctx, tx, &key); err != nil {
			return err
		}
		for _, old := range rows {
			switch {
			case old.RetiredAt.IsZero():
				old.RetiredAt = key.CreatedAt
				err = f.s.store.Keys.Update(ctx, tx, &old)
			case purpose == tokenKey && now.Sub(old.RetiredAt) > f.s.cfg.TokenTTL+f.s.cfg.AllowExpiredWindow:
				err = f.s.store.Keys.Delete(ctx, tx, old.ID)
			}
			if err != nil {
				return err
			}
		}
		if err := f.s.noted(ctx, tx, purpose+"_key", created, key.ID); err != nil {
			return err
		}
		return f.s.changed(ctx, tx, keysTag)
	})
}

// resealCredentials seals every credential with the newest key.
func (f *sealer) resealCredentials(ctx context.Context) error {
	newest, _, err := f.sealingKey(ctx, credentialKey)
	if err != nil {
		return err
	}
	marker := ""
	for {
		page, err := family.Read(ctx, f.s.db, func(tx *store.Tx) (store.Page[Credential], error) {
			return f.s.store.Credentials.List(ctx, tx, store.Query{Marker: marker, LostMarker: true, Limit: 200})
		})
		if err != nil || len(page.Rows) == 0 {
			return err
		}
		marker = page.Rows[len(page.Rows)-1].ID
		for _, c := range page.Rows {
			if strings.HasPrefix(c.Blob, newest) {
				continue
			}
			if err := f.resealCredential(ctx, *c); err != nil {
				return err
			}
		}
	}
}

func (f *sealer) resealCredential(ctx context.Context, old Credential) error {
	c, err := f.s.Credentials.open(ctx, old)
	if err != nil {
		return err
	}
	if c, err = f.s.Credentials.seal(ctx, c); err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		now, err := family.Get(ctx, tx, f.s.store.Credentials, c.ID)
		if errs.Is(err, errs.NotFound) || err == nil && now.Blob != old.Blob {
			return nil // deleted or changed meanwhile: it is sealed anew already
		}
		if err != nil {
			return err
		}
		return f.s.store.Credentials.Update(ctx, tx, &c)
	})
}

// resealOptions seals the secrets among the domains' options with the newest key.
func (f *sealer) resealOptions(ctx context.Context) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		options, err := f.s.store.DomainOptions.All(ctx, tx, store.Eq("sensitive", true))
		if err != nil {
			return err
		}
		for _, o := range options {
			sealed, _ := o.Value.(string)
			about := o.DomainID + "/" + o.Option
			text, err := f.open(ctx, credentialKey, about, sealed)
			if err != nil {
				return err
			}
			if o.Value, err = f.seal(ctx, credentialKey, about, text); err != nil {
				return err
			}
			if err := f.s.store.DomainOptions.Update(ctx, tx, o); err != nil {
				return err
			}
		}
		return nil
	})
}

// dropCredentialKeys forgets the keys that nothing is sealed with any more. One
// that retired just now stays: another server may still be sealing with it.
func (f *sealer) dropCredentialKeys(ctx context.Context) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		keys, err := family.Find(ctx, tx, f.s.store.Keys, store.Eq("purpose", credentialKey))
		if err != nil {
			return err
		}
		keys = slices.DeleteFunc(keys, func(k Key) bool { return k.RetiredAt.IsZero() || f.s.now().Sub(k.RetiredAt) < noticesKept })
		for _, k := range keys {
			if err := f.s.store.Keys.Delete(ctx, tx, k.ID); err != nil {
				return err
			}
		}
		return nil
	})
}
