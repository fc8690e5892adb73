package metadef

import (
	"context"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Deps is what the catalogue needs. The image service has registered the policy rules.
type Deps struct {
	DB     *store.DB
	Tables Tables
	Policy *policy.Engine
	Now    func() time.Time
	// PageMax is the length of the longest page.
	PageMax int
}

// Service is the catalogue with its rules.
type Service struct {
	Namespaces    *Namespaces
	Items         *Items
	Associations  *Associations
	ResourceTypes *ResourceTypes

	Deps
}

// New makes the service.
func New(d Deps) *Service {
	s := &Service{Deps: d}
	s.Namespaces, s.Items, s.Associations, s.ResourceTypes = &Namespaces{s}, &Items{s}, &Associations{s}, &ResourceTypes{s}
	return s
}

func notFound(what, name string) error {
	return errs.New(errs.NotFound, "Metadata definition %s %.255s not found", what, name)
}

func (s *Service) admin(ctx context.Context) bool {
	return s.Policy.Allowed(ctx, "context_is_admin", nil)
}

func (n *Namespace) target() policy.Target {
	return policy.Target{"project_id": n.Owner, "visibility": n.Visibility}
}

// check asks whether the actor may do what the rules name in the namespace; who
// may not show it is told that there is none.
func (s *Service) check(ctx context.Context, n *Namespace, rules ...string) error {
	for _, rule := range rules {
		err := s.Policy.Check(ctx, rule, n.target())
		if errs.Is(err, errs.Forbidden) && (rule == "get_metadef_namespace" || !s.Policy.Allowed(ctx, "get_metadef_namespace", n.target())) {
			return notFound("namespace", n.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkNew asks for rules before there is a namespace.
func (s *Service) checkNew(ctx context.Context, rules ...string) error {
	for _, r := range rules {
		if err := s.Policy.Check(ctx, r, policy.Target{"project_id": actor.From(ctx).ProjectID}); err != nil {
			return err
		}
	}
	return nil
}

// visible loads a namespace that the actor may know of, and asks for rules.
func (s *Service) visible(ctx context.Context, tx *store.Tx, name string, rules ...string) (*Namespace, error) {
	n, err := s.Tables.Namespaces.First(ctx, tx, store.Eq("name", name))
	if errs.Is(err, errs.NotFound) {
		return nil, notFound("namespace", name)
	}
	if err != nil {
		return nil, err
	}
	if n.Visibility != "public" && (n.Owner == "" || n.Owner != actor.From(ctx).ProjectID) && !s.admin(ctx) {
		return nil, notFound("namespace", name)
	}
	return n, s.check(ctx, n, rules...)
}

// read runs f on a visible namespace that the rules allow to be read.
func (s *Service) read(ctx context.Context, name string, f func(*store.Tx, *Namespace) error, rules ...string) error {
	return s.DB.Read(ctx, within(ctx, s, name, f, rules))
}

// write runs f on a visible namespace that the rules allow to be changed.
func (s *Service) write(ctx context.Context, name string, f func(*store.Tx, *Namespace) error, rules ...string) error {
	return s.DB.Write(ctx, within(ctx, s, name, f, rules))
}

func within(ctx context.Context, s *Service, name string, f func(*store.Tx, *Namespace) error, rules []string) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		n, err := s.visible(ctx, tx, name, rules...)
		if err != nil {
			return err
		}
		return f(tx, n)
	}
}

// unprotected refuses to take something away from a protected namespace.
func unprotected(n *Namespace, what string) error {
	if n.Protected {
		return errs.New(errs.Forbidden, "Metadata definition namespace %s is protected and its %s cannot be deleted.", n.Name, what)
	}
	return nil
}
