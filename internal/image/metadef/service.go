package metadef

import (
	"context"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Service is the catalogue with its rules.
type Service struct {
	db     *store.DB
	store  Store
	policy *policy.Engine
	now    func() time.Time
}

// New makes the service. The image service has registered the policy rules.
func New(db *store.DB, s Store, p *policy.Engine, now func() time.Time) *Service {
	return &Service{db: db, store: s, policy: p, now: now}
}

func notFound(what, name string) error {
	return errs.New(errs.NotFound, "Metadata definition %s %.255s not found", what, name)
}

func (s *Service) admin(ctx context.Context) bool {
	return s.policy.Allowed(ctx, "context_is_admin", nil)
}

func (n Namespace) target() policy.Target {
	return policy.Target{"project_id": n.Owner, "visibility": n.Visibility}
}

// check asks whether the actor may do what rule names in the namespace; who
// may not show it is told that there is none.
func (s *Service) check(ctx context.Context, rule string, n Namespace) error {
	err := s.policy.Check(ctx, rule, n.target())
	if errs.Is(err, errs.Forbidden) && (rule == "get_metadef_namespace" || !s.policy.Allowed(ctx, "get_metadef_namespace", n.target())) {
		return notFound("namespace", n.Name)
	}
	return err
}

// checkNew asks for a rule before there is a namespace.
func (s *Service) checkNew(ctx context.Context, rules ...string) error {
	for _, r := range rules {
		if err := s.policy.Check(ctx, r, policy.Target{"project_id": actor.From(ctx).ProjectID}); err != nil {
			return err
		}
	}
	return nil
}

// visible loads a namespace that the actor may know of.
func (s *Service) visible(ctx context.Context, tx *store.Tx, name string) (Namespace, error) {
	n, err := s.store.Namespace(ctx, tx, name)
	if errs.Is(err, errs.NotFound) {
		return n, notFound("namespace", name)
	}
	if err != nil {
		return n, err
	}
	if n.Visibility != "public" && (n.Owner == "" || n.Owner != actor.From(ctx).ProjectID) && !s.admin(ctx) {
		return n, notFound("namespace", name)
	}
	return n, nil
}

// read runs f on a visible namespace that the rules allow to be read.
func (s *Service) read(ctx context.Context, name string, rules []string, f func(*store.Tx, Namespace) error) error {
	return s.db.Read(ctx, func(tx *store.Tx) error {
		n, err := s.visible(ctx, tx, name)
		if err != nil {
			return err
		}
		for _, r := range rules {
			if err := s.check(ctx, r, n); err != nil {
				return err
			}
		}
		return f(tx, n)
	})
}

// write runs f on a visible namespace that the rules allow to be changed.
func (s *Service) write(ctx context.Context, name string, rules []string, f func(*store.Tx, Namespace) error) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		n, err := s.visible(ctx, tx, name)
		if err != nil {
			return err
		}
		for _, r := range rules {
			if err := s.check(ctx, r, n); err != nil {
				return err
			}
		}
		return f(tx, n)
	})
}

// unprotected refuses to take something away from a protected namespace.
func unprotected(n Namespace, what string) error {
	if n.Protected {
		return errs.New(errs.Forbidden, "Metadata definition namespace %s is protected and its %s cannot be deleted.", n.Name, what)
	}
	return nil
}
