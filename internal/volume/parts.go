package volume

import (
	"context"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume/qos"
)

// parts are what volumes ask of families that are packages of their own.
type parts struct {
	// typeOf finds a type that the actor may use by id or name; "" is the
	// project's default, which may be none: an empty Type.
	typeOf func(ctx context.Context, tx *store.Tx, which string) (*Type, error)
	// typeByID finds a type whoever asks; one that is gone is an empty Type with the id.
	typeByID func(ctx context.Context, tx *store.Tx, id string) (*Type, error)
	// typeNames are the names of types, by id.
	typeNames func(ctx context.Context, tx *store.Tx, ids []string) (map[string]string, error)
	// spend counts what a project wants more of against its quota.
	spend func(ctx context.Context, tx *store.Tx, d Demand) error
	// tell leaves a message for the user.
	tell func(ctx context.Context, tx *store.Tx, m Message) error
}

// Type is a volume type as far as volumes depend on it.
type Type struct {
	ID, Name   string
	ExtraSpecs map[string]string
	Encryption *hostapi.VolumeEncryption // without key
	// Spec says how fast its volumes may be read and written; nil: as fast as they can.
	Spec *qos.Spec
}

// Demand is what an operation adds to what a project has.
type Demand struct {
	Project, Type           string // the type's name; "": none
	Volumes, Snapshots, GiB int
	Backups, BackupGiB      int
	Groups                  int
	// Retyped volumes of GiB in all become ones of the type.
	Retyped int
	// PerVolume is the size of the volume, for the limit of one.
	PerVolume int
}

// Message says what went wrong, in the codes of Cinder's messages.
type Message struct {
	Project, Request     string
	Resource, ResourceID string // VOLUME, VOLUME_SNAPSHOT, VOLUME_BACKUP
	Action, Detail       string // "001", "003"
}

func noParts() parts {
	return parts{
		typeOf: func(_ context.Context, _ *store.Tx, which string) (*Type, error) {
			if which == "" {
				return &Type{}, nil
			}
			return nil, errs.New(errs.NotFound, "Volume type with name %s could not be found.", which)
		},
		typeByID:  func(_ context.Context, _ *store.Tx, id string) (*Type, error) { return &Type{ID: id}, nil },
		typeNames: func(context.Context, *store.Tx, []string) (map[string]string, error) { return nil, nil },
		spend:     func(context.Context, *store.Tx, Demand) error { return nil },
		tell:      func(context.Context, *store.Tx, Message) error { return nil },
	}
}
