package volume

import (
	"context"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// The kinds of sagas, as they stand in the database.
const (
	kindCreate = "volume.create"
	kindDelete = "volume.delete"

	kindSnapshot     = "volume.snapshot.create"
	kindDropSnapshot = "volume.snapshot.delete"
	kindExtend       = "volume.extend"
	kindRevert       = "volume.revert"
	kindReimage      = "volume.reimage"
	kindUpload       = "volume.upload"
	kindMigrate      = "volume.migrate"
	kindAdopt        = "volume.adopt"
	kindRelease      = "volume.release"

	kindAdoptSnapshot   = "volume.snapshot.adopt"
	kindReleaseSnapshot = "volume.snapshot.release"

	kindBackup     = "volume.backup.create"
	kindDropBackup = "volume.backup.delete"
	kindRestore    = "volume.backup.restore"
)

// definitions are all kinds of sagas.
func (s *Service) definitions() []saga.Definition[Work] {
	return []saga.Definition[Work]{
		s.making.saga(), s.Volumes.deleteSaga(), s.Snapshots.createSaga(), s.Snapshots.deleteSaga(), s.Contents.extendSaga(), s.Contents.revertSaga(), s.Contents.reimageSaga(),
		s.Contents.uploadSaga(), s.Moves.migrateSaga(), s.Managed.adoptSaga(), s.Managed.releaseSaga(), s.Snapshots.adoptSaga(), s.Snapshots.releaseSaga(), s.Backups.createSaga(), s.Backups.deleteSaga(), s.Backups.restoreSaga(),
	}
}

func (s *Service) registerSagas() {
	for _, d := range s.definitions() {
		saga.Register(s.sagas, d)
	}
}

// long is how long a step may take that moves a whole volume's bytes.
const long = 12 * time.Hour

// Work is what every saga of the service carries: whom it is about, and what it
// found out on its way.
type Work struct {
	Volume   string `json:"volume"`
	Place    string `json:"place,omitempty"`    // where the bytes are, or will be
	Snapshot string `json:"snapshot,omitempty"` // made, deleted or reverted to
	Backup   string `json:"backup,omitempty"`
	Size     int    `json:"size,omitempty"` // wanted, in GiB
	Was      string `json:"was,omitempty"`  // the status to return to

	Tried   []string          `json:"tried,omitempty"` // places that had no room
	Hints   Hints             `json:"hints"`
	Image   *hostapi.RootDisk `json:"image,omitempty"` // to be copied
	Upload  string            `json:"upload,omitempty"`
	Format  string            `json:"format,omitempty"` // of the upload
	Name    string            `json:"name,omitempty"`   // in the backend, of what is taken over or let go
	To      string            `json:"to,omitempty"`     // the place to move to
	Same    bool              `json:"same,omitempty"`   // which is the same storage
	Type    string            `json:"type,omitempty"`   // to become
	Cascade bool              `json:"cascade,omitempty"`

	Multiattach bool                      `json:"multiattach,omitempty"`
	ImageMeta   map[string]string         `json:"image_meta,omitempty"`
	Since       string                    `json:"since,omitempty"` // the backup that one adds to
	Made        *hostapi.VolumeBackupMade `json:"made,omitempty"`
}

// Hints are what a request says to the scheduler.
type Hints struct {
	Different []string `json:"different_host,omitempty"` // ids of volumes
	Same      []string `json:"same_host,omitempty"`
}

type step = saga.Step[Work]

// resource is what a saga holds while it runs.
func resource(volumeID string) string { return "volume/" + volumeID }

// begin starts a saga for a volume in the request's transaction.
func (s *Service) begin(ctx context.Context, tx *store.Tx, kind, about string, w Work) error {
	_, err := s.sagas.Start(ctx, tx, kind, about, w)
	return err
}

// finish ends a saga well by changing the volume's record, if it is still there.
func (s *Service) finish(f func(ctx context.Context, tx *store.Tx, w *Work, v *Volume) error) func(context.Context, *store.Tx, *Work) error {
	return func(ctx context.Context, tx *store.Tx, w *Work) error {
		v, err := s.tables.Volumes.Get(ctx, tx, w.Volume)
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		if err == nil {
			err = f(ctx, tx, w, v)
		}
		if err != nil {
			return err
		}
		return s.Volumes.save(ctx, tx, v)
	}
}

// fail ends a saga that did not go well: the volume gets a status that says so,
// and its owner a message.
func (s *Service) fail(status, action, detail string) func(context.Context, *store.Tx, *Work, *errs.Error) error {
	return func(ctx context.Context, tx *store.Tx, w *Work, cause *errs.Error) error {
		return s.finish(func(ctx context.Context, tx *store.Tx, w *Work, v *Volume) error {
			v.Status = status
			if status == "" {
				v.Status = w.Was
			}
			return s.message(ctx, tx, "VOLUME", v.ID, v.ProjectID, action, detailOf(cause, detail))
		})(ctx, tx, w)
	}
}

// detailOf is the code of a message for an error.
func detailOf(cause *errs.Error, otherwise string) string {
	switch cause.Kind {
	case errs.NoCapacity:
		return noBackend
	case errs.OverQuota:
		return overQuota
	}
	return otherwise
}

// Codes of messages, as Cinder has them.
const (
	actSchedule     = "001"
	actUpload       = "003"
	actFromImage    = "005"
	actExtend       = "007"
	actSnapshot     = "009"
	actDropSnapshot = "010"
	actBackup       = "013"
	actDropBackup   = "014"
	actRestore      = "015"
	actReimage      = "016"

	unknownError   = "001"
	noBackend      = "003"
	uploadFailed   = "004"
	overQuota      = "006"
	extendFailed   = "010"
	createFailed   = "012"
	snapshotFailed = "013"
	dropFailed     = "016"
	backupFailed   = "020"
	dropBackup     = "025"
	restoreFailed  = "026"
	reimageFailed  = "028"
	needsFull      = "030"
)

// message leaves a word for a project about one of its resources.
func (s *Service) message(ctx context.Context, tx *store.Tx, kind, id, project, action, detail string) error {
	return s.parts.tell(ctx, tx, Message{
		Project: project, Request: actor.From(ctx).RequestID, Resource: kind, ResourceID: id, Action: action, Detail: detail,
	})
}

// away tells that a host does not answer; its bytes are left for a later deletion.
func away(err error) bool { return errs.Is(err, errs.Unavailable) }

// gone takes "there is none" for done.
func gone(err error) error {
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}
