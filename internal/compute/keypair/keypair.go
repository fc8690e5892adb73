// Package keypair keeps users' public keys. They belong to users, not to
// projects; servers copy the key that they are made with, so that nothing here
// refers to a server, and no server to what is here.
package keypair

import (
	"context"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// Keypair is a user's public key.
type Keypair struct {
	ID          int64
	UserID      string
	Name        string
	Type        string // ssh or x509
	PublicKey   string
	Fingerprint string
	CreatedAt   time.Time
	// PrivateKey is known to the answer that made it, and kept nowhere.
	PrivateKey string
}

// Deps is what the service needs.
type Deps struct {
	DB    *store.DB
	Table *store.Table[Keypair]
	Now   func() time.Time
	// Check asks a rule of compute's policy.
	Check func(ctx context.Context, rule string, t policy.Target) error
	// Quotas say how many key pairs each user of the actor's project may have.
	Quotas *quota.Quotas
	// Counters gives numbers that nobody had before.
	Counters interface {
		Next(ctx context.Context, tx *store.Tx, counter string) (int64, error)
	}
}

// Service keeps key pairs.
type Service struct{ d Deps }

// Owned are the use cases, for one user's key pairs: the actor's own, or, for
// administrators, another's.
type Owned struct {
	*Service
	user string
}

// Of returns the use cases for a user; "" is the actor itself.
func (s *Service) Of(userID string) Owned { return Owned{s, userID} }

// New returns the service.
func New(d Deps) *Service { return &Service{d} }

func (s *Service) owner(ctx context.Context, userID, verb string) (string, error) {
	if userID == "" {
		userID = actor.From(ctx).UserID
	}
	return userID, s.d.Check(ctx, "os-keypairs:"+verb, policy.Target{"user_id": userID})
}

// NewKeypair is what a key pair is made of; without a public key both are made.
// UserID is another's, if an administrator makes it.
type NewKeypair struct{ UserID, Name, Type, PublicKey string }

// Create imports a public key, or makes a key pair.
func (s Owned) Create(ctx context.Context, n NewKeypair) (*Keypair, error) {
	owner, err := s.owner(ctx, n.UserID, "create")
	if err != nil {
		return nil, err
	}
	k := &Keypair{UserID: owner, Name: n.Name, Type: n.Type, PublicKey: n.PublicKey, CreatedAt: s.d.Now().UTC()}
	switch {
	case k.PublicKey != "":
	case k.Type == "x509":
		k.PublicKey, k.PrivateKey, err = generateCertificate(owner)
	default:
		k.PublicKey, k.PrivateKey, err = generateKey()
	}
	if err == nil {
		k.Fingerprint, err = fingerprint(k.Type, k.PublicKey)
	}
	if err != nil {
		return nil, err
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error { return s.insert(ctx, tx, k) })
	return k, err
}

func (s *Service) insert(ctx context.Context, tx *store.Tx, k *Keypair) error {
	taken, err := s.d.Table.Any(ctx, tx, store.Eq("user_id", k.UserID), store.Eq("name", k.Name))
	if err != nil {
		return err
	}
	if taken {
		return errs.New(errs.Exists, "Key pair '%s' already exists.", k.Name)
	}
	used, err := s.d.Table.Count(ctx, tx, store.Eq("user_id", k.UserID))
	if err != nil {
		return err
	}
	fits, err := s.d.Quotas.Fits(ctx, tx, quota.Holder{Project: actor.From(ctx).ProjectID}, "key_pairs", used+1)
	if err != nil {
		return err
	}
	if !fits {
		return errs.New(errs.OverQuota, "Quota exceeded, too many key pairs.")
	}
	if k.ID, err = s.d.Counters.Next(ctx, tx, "keypair"); err != nil {
		return err
	}
	audit.Created(ctx, k.Name)
	return s.d.Table.Insert(ctx, tx, k)
}

// Show returns a key pair.
func (s Owned) Show(ctx context.Context, name string) (k *Keypair, err error) {
	owner, err := s.owner(ctx, s.user, "show")
	if err != nil {
		return nil, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		k, err = s.Get(ctx, tx, owner, name)
		return named(err, owner, name)
	})
	return k, err
}

// Get finds a user's key pair for another service's transaction, or gives store.ErrNoRows.
func (s *Service) Get(ctx context.Context, tx *store.Tx, userID, name string) (*Keypair, error) {
	return s.d.Table.Get(ctx, tx, userID, name)
}

// List lists key pairs by name.
func (s Owned) List(ctx context.Context, q store.Query) (page store.Page[Keypair], err error) {
	owner, err := s.owner(ctx, s.user, "index")
	if err != nil {
		return page, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.d.Table.List(ctx, tx, q.Within(store.Eq("user_id", owner)))
		return err
	})
	return page, err
}

// Delete removes a key pair; servers keep the key.
func (s Owned) Delete(ctx context.Context, name string) error {
	owner, err := s.owner(ctx, s.user, "delete")
	if err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error { return named(s.d.Table.Delete(ctx, tx, owner, name), owner, name) })
}

// named says which key pair is not there.
func named(err error, owner, name string) error {
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.NotFound, "Keypair %s not found for user %s", name, owner)
	}
	return err
}
