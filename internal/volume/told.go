package volume

import (
	"context"

	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/store"
)

// ServerChanged is the type of the event that a server finds one of its volumes
// otherwise: larger, or at another place. Its resource is the server.
const ServerChanged = "volume.server.update"

// Grown is the state of a ServerChanged that tells of a larger volume.
type Grown struct {
	VolumeID string `json:"grown_volume_id"`
	SizeGiB  int    `json:"size"`
}

// tellServers publishes ServerChanged for the servers that have a volume; state
// is a Grown or nil.
func (s *Service) tellServers(ctx context.Context, tx *store.Tx, v *Volume, state any) error {
	for _, a := range v.Attachments {
		if !a.OfServer || a.Status != Attached {
			continue
		}
		if err := s.events.Publish(ctx, tx, event.Event{Type: ServerChanged, Resource: a.InstanceID, Project: v.ProjectID}, state); err != nil {
			return err
		}
	}
	return nil
}

// volumeState is a volume in events.
type volumeState struct {
	Name            string `json:"name"`
	Status          string `json:"status"`
	Size            int    `json:"size"`
	Host            string `json:"host,omitempty"`
	Type            string `json:"volume_type_id,omitempty"`
	Bootable        bool   `json:"bootable,omitempty"`
	MigrationStatus string `json:"migration_status,omitempty"`
}

// partState is a snapshot, a backup or an attachment in events.
type partState struct {
	Name     string `json:"name,omitempty"`
	Status   string `json:"status"`
	Volume   string `json:"volume_id"`
	Size     int    `json:"size,omitempty"`
	Instance string `json:"instance_id,omitempty"`
}

// observe publishes what becomes of rows.
func (s *Service) observe() {
	event.Observe(s.events, s.db, s.tables.Volumes.Name(), "volume.volume", "volume.%s.end", func(v *Volume) event.Subject {
		return event.Subject{Resource: v.ID, Project: v.ProjectID, State: volumeState{
			v.Name, v.Status, v.SizeGiB, v.Host, v.TypeID, v.Bootable, v.MigrationStatus,
		}}
	})
	event.Observe(s.events, s.db, s.tables.Snapshots.Name(), "volume.snapshot", "snapshot.%s.end", func(v *Snapshot) event.Subject {
		return event.Subject{Resource: v.ID, Project: v.ProjectID, State: partState{Name: v.Name, Status: v.Status, Volume: v.VolumeID, Size: v.SizeGiB}}
	})
	event.Observe(s.events, s.db, s.tables.Backups.Name(), "volume.backup", "backup.%s.end", func(v *Backup) event.Subject {
		return event.Subject{Resource: v.ID, Project: v.ProjectID, State: partState{Name: v.Name, Status: v.Status, Volume: v.VolumeID, Size: v.SizeGiB}}
	})
	event.Observe(s.events, s.db, s.tables.Attachments.Name(), "volume.attachment", "", func(v *Attachment) event.Subject {
		return event.Subject{Resource: v.ID, Project: v.ProjectID, State: partState{Status: v.Status, Volume: v.VolumeID, Instance: v.InstanceID}}
	})
	event.Observe(s.events, s.db, s.tables.Transfers.Name(), "volume.transfer", "transfer.%s.end", func(v *Transfer) event.Subject {
		return event.Subject{Resource: v.ID, Project: v.SourceProject, State: partState{Name: v.Name, Volume: v.VolumeID}}
	})
}
