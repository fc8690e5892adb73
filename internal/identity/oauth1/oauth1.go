// Package oauth1 lets programs act on a project with some of a user's roles, as
// OAuth 1.0a says: it keeps the programs (consumers) and their tokens, and proves
// requests that are signed with them.
package oauth1

import (
	"context"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Consumer is an OAuth1 client.
type Consumer struct {
	ID, Description, Secret string
	Extra                   map[string]any
}

// Token is an OAuth1 request or access token.
type Token struct {
	ID, Kind, Secret, ConsumerID, ProjectID, UserID string
	RoleIDs                                         []string
	Verifier                                        string
	ExpiresAt                                       time.Time
}

// Deps is what a Service needs.
type Deps struct {
	family.Base
	Tables
	// UseOnce notes that something has been used; false if it was before.
	UseOnce func(ctx context.Context, tx *store.Tx, id string, until time.Time) (bool, error)
	// Person refuses actors who do not act for themselves.
	Person func(ctx context.Context) error
	// Project refuses projects that do not exist, and Held are the roles that a
	// user has on one.
	Project func(ctx context.Context, tx *store.Tx, id string) error
	Held    func(ctx context.Context, tx *store.Tx, userID, projectID string) ([]Role, error)
}

// Tables are where consumers and tokens are kept.
type Tables struct {
	Consumers *store.Table[Consumer]
	Tokens    *store.Table[Token]
}

// Role is what is said of a role to delegate it: its id, or its name.
type Role struct{ ID, Name string }

// Service keeps consumers and tokens.
type Service struct {
	Consumers *family.Family[Consumer]
	Tokens    *Tokens

	b family.Base
	t Tables
	d Deps
}

// New returns the service.
func New(d Deps) *Service {
	s := &Service{b: d.Base, t: d.Tables, d: d}
	s.Consumers, s.Tokens = s.consumers(), &Tokens{s}
	return s
}

// ConsumerTag is the tag of a consumer.
func ConsumerTag(id string) string { return "consumer:" + id }

// AccessTag is the tag of an access token.
func AccessTag(id string) string { return "access:" + id }

func (s *Service) consumers() *family.Family[Consumer] {
	return &family.Family[Consumer]{
		Base: s.b, Table: s.t.Consumers, Noun: "consumer", Plural: "consumers",
		ID: func(v *Consumer) *string { return &v.ID },
		Valid: func(_ context.Context, _ *store.Tx, v, before *Consumer) error {
			if before == nil {
				v.Secret = ids.NewHex()
			} else if v.Secret != before.Secret {
				return errs.New(errs.Invalid, "A consumer's secret cannot be changed.")
			}
			return nil
		},
		Gone: func(ctx context.Context, tx *store.Tx, v *Consumer) error {
			tokens, err := s.t.Tokens.All(ctx, tx, store.Eq("consumer_id", v.ID), store.Eq("kind", accessToken))
			if err != nil {
				return err
			}
			for _, t := range tokens {
				if err := s.b.Revoke(ctx, tx, AccessTag(t.ID)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
