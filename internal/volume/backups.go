package volume

import (
	"context"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Backups are copies of volumes that lie apart from them.
type Backups struct{ s *Service }

func (b *Backup) target() policy.Target {
	return policy.Target{"project_id": b.ProjectID, "user_id": b.UserID}
}

// get reads a backup for an actor who may know of it and do what the rule names.
func (f *Backups) get(ctx context.Context, tx *store.Tx, rule, id string) (*Backup, error) {
	b, err := f.s.tables.Backups.Get(ctx, tx, id)
	if err == nil && !f.s.sees(ctx, b.ProjectID) || errs.Is(err, errs.NotFound) {
		return nil, backupNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	return b, f.s.policy.Check(ctx, rule, b.target())
}

// restoreInto fills a volume from a backup.
func (s *Service) restoreInto(context.Context, hostapi.VolumeHost, *Work) error { return nil }

// Write takes a part of a backup from a host.
func (f *Backups) Write(context.Context, hostapi.BackupWrite) error {
	return errs.New(errs.Unsupported, "Backups are not kept yet.")
}

// Read gives a host the next part of a backup.
func (f *Backups) Read(context.Context, hostapi.BackupRead) (*hostapi.BackupWrite, error) {
	return nil, errs.New(errs.Unsupported, "Backups are not kept yet.")
}
