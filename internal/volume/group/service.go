package group

import (
	"context"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Tables are where the service keeps what it keeps.
type Tables struct {
	Groups    *store.Table[Group]
	Snapshots *store.Table[Snapshot]
	Types     *store.Table[Type]
}

// Deps is what the service needs.
type Deps struct {
	DB *store.DB
	Tables
	Now     func() time.Time
	Check   func(ctx context.Context, rule string, t policy.Target) error
	Admin   func(ctx context.Context) bool
	Volumes Volumes
	// Spend counts a group that a project wants, or gives back, against its quota.
	Spend func(ctx context.Context, tx *store.Tx, projectID string, n int) error
	// Woken is called after the commit of what Settle has to wait for.
	Woken func()
}

// Volume is a volume as far as groups depend on it.
type Volume struct {
	ID, ProjectID, GroupID string
	Name, Status           string
	Attached               bool
	TypeID, Host, Zone     string
	SizeGiB                int
}

// VolumeSnapshot is a snapshot of a group's volume.
type VolumeSnapshot struct {
	ID, VolumeID, TypeID, Status string
	SizeGiB                      int
}

// NewVolume is a copy of a volume, or of one of its snapshots, for a new group.
type NewVolume struct {
	GroupID, TypeID, Zone, Host string
	SizeGiB                     int
	SnapshotID, SourceID        string // one of them
}

// Volumes is what groups ask of volumes, in their own transactions.
type Volumes interface {
	// TypeIDs finds volume types that the actor may use, by name or id.
	TypeIDs(ctx context.Context, tx *store.Tx, which []string) ([]string, error)
	// Backend chooses one that takes volumes of all the types in a zone, and says
	// which zone that is; "" if there is none.
	Backend(ctx context.Context, tx *store.Tx, typeIDs []string, zone string) (host, chosen string, err error)
	Volume(ctx context.Context, tx *store.Tx, id string) (*Volume, error)
	Of(ctx context.Context, tx *store.Tx, groupID string) ([]*Volume, error)
	Join(ctx context.Context, tx *store.Tx, id, groupID string) error // "" leaves
	Create(ctx context.Context, tx *store.Tx, n NewVolume) error
	Delete(ctx context.Context, tx *store.Tx, id string) error
	HasSnapshots(ctx context.Context, tx *store.Tx, id string) (bool, error)
	Snapshots(ctx context.Context, tx *store.Tx, groupSnapshotID string) ([]*VolumeSnapshot, error)
	CreateSnapshot(ctx context.Context, tx *store.Tx, volumeID, groupSnapshotID string, name, description *string) error
	DeleteSnapshot(ctx context.Context, tx *store.Tx, id string) error
}

// Service keeps groups; Types and Snapshots are families of their own.
type Service struct {
	Types     *Types
	Snapshots *Snapshots
	d         Deps
}

// New returns the service.
func New(d Deps) *Service {
	s := &Service{d: d}
	s.Types, s.Snapshots = &Types{s}, &Snapshots{s}
	return s
}

func own(ctx context.Context) policy.Target {
	a := actor.From(ctx)
	return policy.Target{"project_id": a.ProjectID, "user_id": a.UserID}
}

func (s *Service) check(ctx context.Context, rule string) error {
	return s.d.Check(ctx, "group:"+rule, own(ctx))
}

// scope narrows a list to the actor's project, unless an administrator asks for all.
func (s *Service) scope(ctx context.Context, q store.Query) store.Query {
	if q.Everyone && s.d.Admin(ctx) {
		return q
	}
	return q.Within(store.Eq("project_id", actor.From(ctx).ProjectID))
}

// sees refuses what the actor may not know of, and asks the rule about the rest.
func (s *Service) sees(ctx context.Context, projectID, rule string, absent error) error {
	if a := actor.From(ctx); a.System == "" && a.ProjectID != projectID && !s.d.Admin(ctx) {
		return absent
	}
	return s.d.Check(ctx, "group:"+rule, policy.Target{"project_id": projectID})
}

func orAbsent(err, absent error) error {
	if errs.Is(err, errs.NotFound) {
		return absent
	}
	return err
}

func (s *Service) wake(tx *store.Tx) {
	if s.d.Woken != nil {
		tx.AfterCommit(s.d.Woken)
	}
}
