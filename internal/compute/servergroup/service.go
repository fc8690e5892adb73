package servergroup

import (
	"context"
	"errors"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// Deps is what the service needs.
type Deps struct {
	DB    *store.DB
	Table *store.Table[Group]
	Now   func() time.Time
	// Check asks a rule of compute's policy about a group, CheckOwn one about the
	// actor's own project, and May one for what is only shown or not. Admin asks
	// whether the actor sees all groups.
	Check    func(ctx context.Context, rule string, t policy.Target) error
	CheckOwn func(ctx context.Context, rule string) error
	May      func(ctx context.Context, rule string) bool
	Admin    func(ctx context.Context) bool
	Quotas   *quota.Quotas
	// Members are the servers that are in groups.
	Members interface {
		LeaveGroup(ctx context.Context, tx *store.Tx, id string) error
	}
}

// Service keeps server groups.
type Service struct{ d Deps }

// New returns the service.
func New(d Deps) *Service { return &Service{d} }

// NewGroup is what a new server group is made of.
type NewGroup struct {
	Name, Policy string
	Rules        map[string]int
}

// Create adds a server group.
func (s *Service) Create(ctx context.Context, n NewGroup) (*Group, error) {
	if err := s.d.CheckOwn(ctx, "os-server-groups:create"); err != nil {
		return nil, err
	}
	if len(n.Rules) > 0 && n.Policy != AntiAffinity {
		return nil, errs.New(errs.Invalid, "Only anti-affinity policy supports rules.")
	}
	who := actor.From(ctx)
	g := &Group{
		ID: ids.New(), ProjectID: who.ProjectID, UserID: who.UserID, Name: n.Name, Policy: n.Policy, Rules: n.Rules, CreatedAt: s.d.Now().UTC(),
	}
	return g, s.d.DB.Write(ctx, func(tx *store.Tx) error {
		over, err := s.d.Quotas.Check(ctx, tx, quota.Holder{Project: g.ProjectID}, quota.Want{Resource: "server_groups", N: 1})
		if err != nil {
			return err
		}
		if over != nil {
			return errs.New(errs.OverQuota, "Quota exceeded, too many server groups.")
		}
		audit.Created(ctx, g.ID)
		return s.d.Table.Insert(ctx, tx, g)
	})
}

// Get finds a server group, for the transaction of who knows that there is one.
func (s *Service) Get(ctx context.Context, tx *store.Tx, id string) (*Group, error) {
	return s.d.Table.Get(ctx, tx, id)
}

// Visible finds a server group that the actor may know of.
func (s *Service) Visible(ctx context.Context, tx *store.Tx, id string) (*Group, error) {
	g, err := s.d.Table.Get(ctx, tx, id)
	if err == nil && g.ProjectID != actor.From(ctx).ProjectID && !s.d.Admin(ctx) {
		err = store.ErrNoRows
	}
	return g, err
}

func (s *Service) open(ctx context.Context, tx *store.Tx, id, rule string) (*Group, error) {
	g, err := s.Visible(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) {
		err = errs.New(errs.NotFound, "Instance group %s could not be found.", id)
	}
	if err != nil {
		return nil, err
	}
	return g, s.d.Check(ctx, rule, policy.Target{"project_id": g.ProjectID, "user_id": g.UserID})
}

// Show returns a server group.
func (s *Service) Show(ctx context.Context, id string) (g *Group, err error) {
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		g, err = s.open(ctx, tx, id, "os-server-groups:show")
		return err
	})
	return g, err
}

// List lists the project's server groups, or everybody's for those who may.
func (s *Service) List(ctx context.Context, q store.Query) (page store.Page[Group], err error) {
	if err := s.d.CheckOwn(ctx, "os-server-groups:index"); err != nil {
		return page, err
	}
	if !q.Everyone || !s.d.May(ctx, "os-server-groups:index:all_projects") {
		q = q.Within(store.Eq("project_id", actor.From(ctx).ProjectID))
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.d.Table.List(ctx, tx, q)
		return err
	})
	return page, err
}

// Delete removes a server group; its servers stay.
func (s *Service) Delete(ctx context.Context, id string) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.open(ctx, tx, id, "os-server-groups:delete"); err != nil {
			return err
		}
		if err := s.d.Members.LeaveGroup(ctx, tx, id); err != nil {
			return err
		}
		return s.d.Table.Delete(ctx, tx, id)
	})
}
