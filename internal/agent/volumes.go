package agent

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/errs"
)

// volumes are the host's backends by name: the one that a message names does
// the work.
type volumes map[string]hostapi.VolumeHost

func (v volumes) backend(name string) (hostapi.VolumeHost, error) {
	if b := v[name]; b != nil {
		return b, nil
	}
	return nil, errs.New(errs.Invalid, "The host has no backend %q for volumes; it has %s.", name, strings.Join(slices.Sorted(maps.Keys(v)), ", "))
}

// handlers answer the control plane's verbs for volumes.
func (v volumes) handlers() map[string]func(context.Context, *bus.Msg) (any, error) {
	return map[string]func(context.Context, *bus.Msg) (any, error){
		hostapi.VerbVolumeCreate: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeCreate) (*hostapi.VolumeBytes, error) {
			return b.CreateVolume(ctx, m)
		}),
		hostapi.VerbVolumeDelete: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeRef) (*struct{}, error) {
			return nil, b.DeleteVolume(ctx, *m)
		}),
		hostapi.VerbVolumeExtend: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeExtend) (*struct{}, error) {
			return nil, b.ExtendVolume(ctx, m.VolumeRef, m.SizeGiB)
		}),
		hostapi.VerbVolumeSnapshotCreate: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeSnapshotRef) (*struct{}, error) {
			return nil, b.CreateVolumeSnapshot(ctx, *m)
		}),
		hostapi.VerbVolumeSnapshotDelete: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeSnapshotRef) (*struct{}, error) {
			return nil, b.DeleteVolumeSnapshot(ctx, *m)
		}),
		hostapi.VerbVolumeRevert: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeSnapshotRef) (*struct{}, error) {
			return nil, b.RevertVolume(ctx, *m)
		}),
		hostapi.VerbVolumeExport: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeExport) (*hostapi.VolumeConnection, error) {
			return b.ExportVolume(ctx, m)
		}),
		hostapi.VerbVolumeUnexport: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeUnexport) (*struct{}, error) {
			return nil, b.UnexportVolume(ctx, m.VolumeRef, m.Client)
		}),
		hostapi.VerbVolumeLimit: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeLimit) (*struct{}, error) {
			return nil, b.LimitVolume(ctx, m.VolumeRef, m.Limits)
		}),
		hostapi.VerbVolumeUpload: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeUpload) (*struct{}, error) {
			return nil, b.UploadVolume(ctx, m)
		}),
		hostapi.VerbVolumeBackup: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeBackup) (*hostapi.VolumeBackupMade, error) {
			return b.BackupVolume(ctx, m)
		}),
		hostapi.VerbVolumeRestore: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeRestore) (*struct{}, error) {
			return nil, b.RestoreVolume(ctx, m)
		}),
		hostapi.VerbVolumeCopy: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeCopy) (*struct{}, error) {
			return nil, b.CopyVolume(ctx, m)
		}),
		hostapi.VerbVolumeCopyFinish: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeRef) (*struct{}, error) {
			return nil, b.FinishCopy(ctx, *m)
		}),
		hostapi.VerbVolumeCopyEnd: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeCopy) (*struct{}, error) {
			return nil, b.EndCopy(ctx, m)
		}),
		hostapi.VerbVolumeManageable: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeRef) (*[]hostapi.ManageableVolume, error) {
			out, err := b.ManageableVolumes(ctx, m.Backend)
			return &out, err
		}),
		hostapi.VerbVolumeAdopt: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeName) (*hostapi.VolumeBytes, error) {
			return b.AdoptVolume(ctx, m.VolumeRef, m.Name)
		}),
		hostapi.VerbVolumeRelease: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeName) (*struct{}, error) {
			return nil, b.ReleaseVolume(ctx, m.VolumeRef, m.Name)
		}),
		hostapi.VerbVolumeManageableSnapshots: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeRef) (*[]hostapi.ManageableSnapshot, error) {
			out, err := b.ManageableSnapshots(ctx, m.Backend)
			return &out, err
		}),
		hostapi.VerbVolumeAdoptSnapshot: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeSnapshotName) (*hostapi.VolumeBytes, error) {
			return b.AdoptSnapshot(ctx, m.VolumeSnapshotRef, m.Name)
		}),
		hostapi.VerbVolumeReleaseSnapshot: at(v, func(ctx context.Context, b hostapi.VolumeHost, m *hostapi.VolumeSnapshotName) (*struct{}, error) {
			return nil, b.ReleaseSnapshot(ctx, m.VolumeSnapshotRef, m.Name)
		}),
		hostapi.VerbVolumeBackends: verb(func(ctx context.Context, _ *struct{}) (*[]hostapi.VolumeBackend, error) {
			out := v.backends(ctx)
			return &out, nil
		}),
	}
}

// at makes a bus handler of work for the backend that its message names.
func at[In interface{ BackendName() string }, Out any](v volumes, f func(context.Context, hostapi.VolumeHost, *In) (*Out, error)) func(context.Context, *bus.Msg) (any, error) {
	return verb(func(ctx context.Context, in *In) (*Out, error) {
		b, err := v.backend((*in).BackendName())
		if err != nil {
			return nil, err
		}
		return f(ctx, b, in)
	})
}

// backends are all backends of the host. One that cannot say how it is says why,
// and none waits for another.
func (v volumes) backends(ctx context.Context) []hostapi.VolumeBackend {
	names := slices.Sorted(maps.Keys(v))
	said := make([][]hostapi.VolumeBackend, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			list, err := v[name].VolumeBackends(ctx)
			if err != nil {
				list = []hostapi.VolumeBackend{{Name: name, Fault: errs.As(err).Msg}}
			}
			said[i] = list
		})
	}
	all.Wait()
	return append([]hostapi.VolumeBackend{}, slices.Concat(said...)...)
}
