package placement

import (
	"context"
	"errors"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Candidates answers as Claim would decide, and takes nothing.
func (s *Service) Candidates(ctx context.Context, tx *store.Tx, r ClaimRequest) (*Decision, error) {
	hosts, err := s.tables.Ledger.Hosts(ctx, tx, r.Hosts)
	if err != nil {
		return nil, err
	}
	return Decide(r, hosts), nil
}

// Claim picks a host for the consumer and takes the resources from it, in the
// caller's transaction. A consumer that holds the same already on a host of the
// request keeps it; else what it holds is given back first. No host: NoCapacity,
// with a Decision that says why each was passed over.
func (s *Service) Claim(ctx context.Context, tx *store.Tx, r ClaimRequest) (*Decision, error) {
	held, err := s.held(ctx, tx, r.ConsumerID)
	if err != nil {
		return nil, err
	}
	if len(held) > 0 {
		host, err := s.keeps(ctx, tx, held, r)
		if err != nil {
			return nil, err
		}
		if host != "" {
			return &Decision{Host: host, Why: "holds its room there already"}, nil
		}
		if err := s.giveBack(ctx, tx, r.ConsumerID, held); err != nil {
			return nil, err
		}
	}
	d, err := s.Candidates(ctx, tx, r)
	if err != nil {
		return nil, err
	}
	if d.Host == "" {
		return d, errs.New(errs.NoCapacity, "No valid host was found: %s.", d.Why)
	}
	return d, s.take(ctx, tx, r, d.Host)
}

// take takes what a request asks for from a host.
func (s *Service) take(ctx context.Context, tx *store.Tx, r ClaimRequest, host string) error {
	p, err := s.tables.Providers.First(ctx, tx, store.Eq("name", host))
	if err != nil {
		return err
	}
	now := s.clock()
	if err := s.putConsumer(ctx, tx, Consumer{ID: r.ConsumerID, ProjectID: r.ProjectID, UserID: r.UserID, Type: "INSTANCE"}); err != nil {
		return err
	}
	for _, c := range r.Resources.classes() {
		if c.amount == 0 {
			continue
		}
		ok, err := s.tables.Ledger.Take(ctx, tx, p.ID, c.class, c.amount)
		if err != nil {
			return err
		}
		if !ok { // taken between Decide and here; the transaction's caller tries again
			return errs.New(errs.Unavailable, "Host %s was filled in the meantime; try again.", host)
		}
		a := &Allocation{ConsumerID: r.ConsumerID, ProviderID: p.ID, Class: c.class, Used: c.amount, UpdatedAt: now}
		if err := s.tables.Allocations.Insert(ctx, tx, a); err != nil {
			return err
		}
	}
	return s.tables.Ledger.Raise(ctx, tx, p.ID, now)
}

// keeps tells on which host a consumer already holds exactly what it asks for.
func (s *Service) keeps(ctx context.Context, tx *store.Tx, held []*Allocation, r ClaimRequest) (string, error) {
	want := map[string]int64{}
	for _, c := range r.Resources.classes() {
		if c.amount > 0 {
			want[c.class] = c.amount
		}
	}
	for _, a := range held {
		if a.ProviderID != held[0].ProviderID || want[a.Class] != a.Used {
			return "", nil
		}
		delete(want, a.Class)
	}
	if len(want) > 0 {
		return "", nil
	}
	p, err := s.tables.Providers.Get(ctx, tx, held[0].ProviderID)
	if err != nil || !slices.Contains(r.Hosts, p.Name) {
		return "", err
	}
	return p.Name, nil
}

// Move gives a consumer's claim to another consumer, which must hold none.
func (s *Service) Move(ctx context.Context, tx *store.Tx, from, to string) error {
	c, err := s.tables.Consumers.Get(ctx, tx, from)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	c.ID = to
	if err := s.putConsumer(ctx, tx, *c); err != nil {
		return err
	}
	if _, err := s.tables.Allocations.Patch(ctx, tx, store.Changes{"consumer_id": to}, store.Eq("consumer_id", from)); err != nil {
		return err
	}
	return s.tables.Consumers.Delete(ctx, tx, from)
}

// Release gives everything of the consumer back; no claim is no error.
func (s *Service) Release(ctx context.Context, tx *store.Tx, consumerID string) error {
	held, err := s.held(ctx, tx, consumerID)
	if err != nil {
		return err
	}
	return s.giveBack(ctx, tx, consumerID, held)
}

func (s *Service) giveBack(ctx context.Context, tx *store.Tx, consumerID string, held []*Allocation) error {
	var touched []string
	for _, a := range held {
		if err := s.tables.Ledger.Give(ctx, tx, a.ProviderID, a.Class, a.Used); err != nil {
			return err
		}
		if !slices.Contains(touched, a.ProviderID) {
			touched = append(touched, a.ProviderID)
		}
	}
	for _, id := range touched {
		if err := s.tables.Ledger.Raise(ctx, tx, id, s.clock()); err != nil {
			return err
		}
	}
	return s.forgetConsumer(ctx, tx, consumerID)
}

func (s *Service) held(ctx context.Context, tx *store.Tx, consumerID string) ([]*Allocation, error) {
	return s.tables.Allocations.All(ctx, tx, store.Eq("consumer_id", consumerID))
}

// forgetConsumer forgets a consumer, if it is known, and what it holds.
func (s *Service) forgetConsumer(ctx context.Context, tx *store.Tx, id string) error {
	if _, err := s.tables.Allocations.DeleteWhere(ctx, tx, store.Eq("consumer_id", id)); err != nil {
		return err
	}
	_, err := s.tables.Consumers.DeleteWhere(ctx, tx, store.Eq("id", id))
	return err
}

// putConsumer makes a consumer, or changes it and raises its generation.
func (s *Service) putConsumer(ctx context.Context, tx *store.Tx, c Consumer) error {
	c.UpdatedAt = s.clock()
	old, err := s.tables.Consumers.Get(ctx, tx, c.ID)
	switch {
	case errors.Is(err, store.ErrNoRows):
		c.Generation, c.CreatedAt = 1, c.UpdatedAt
		return s.tables.Consumers.Insert(ctx, tx, &c)
	case err != nil:
		return err
	}
	c.Generation, c.CreatedAt = old.Generation, old.CreatedAt
	return s.tables.Consumers.Update(ctx, tx, &c)
}
