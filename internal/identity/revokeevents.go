package identity

import (
	"context"
	"strings"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Revocation is a revocation event as Keystone's old interface lists it.
type Revocation struct {
	Event
	Kind, Of string // "user" and his id, "audit" and an audit id …
}

// ListRevocations lists the revocations that still matter.
func (s *Service) ListRevocations(ctx context.Context) ([]Revocation, error) {
	if err := s.check(ctx, "identity:list_revoke_events", policy.Target{}); err != nil {
		return nil, err
	}
	events, err := family.Read(ctx, s.db, func(tx *store.Tx) ([]Event, error) { return s.store.Events.Revocations(ctx, tx) })
	out := make([]Revocation, len(events))
	for i, e := range events {
		kind, of, _ := strings.Cut(e.Tag, ":")
		out[i] = Revocation{e, kind, of}
	}
	return out, err
}

// MayListRevoked asks the policy of the list that PKI tokens needed.
func (s *Service) MayListRevoked(ctx context.Context) error {
	return s.check(ctx, "identity:revocation_list", policy.Target{})
}
