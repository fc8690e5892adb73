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

// Revocations lists the revocations that still matter.
func (f *Tokens) Revocations(ctx context.Context) ([]Revocation, error) {
	if err := f.s.check(ctx, "identity:list_revoke_events", policy.Target{}); err != nil {
		return nil, err
	}
	events, err := family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Event, error) { return f.s.store.Events.Revocations(ctx, tx) })
	out := make([]Revocation, len(events))
	for i, e := range events {
		kind, of, _ := strings.Cut(e.Tag, ":")
		out[i] = Revocation{e, kind, of}
	}
	return out, err
}

// MayListRevoked asks the policy of the list that PKI tokens needed.
func (f *Tokens) MayListRevoked(ctx context.Context) error {
	return f.s.check(ctx, "identity:revocation_list", policy.Target{})
}
