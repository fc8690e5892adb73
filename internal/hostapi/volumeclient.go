package hostapi

import "context"

// Verbs of a host for its volumes, one for each method of VolumeHost.
const (
	VerbVolumeCreate         = "volume-create"          // VolumeCreate → VolumeBytes
	VerbVolumeDelete         = "volume-delete"          // VolumeRef → nothing
	VerbVolumeExtend         = "volume-extend"          // VolumeExtend → nothing
	VerbVolumeSnapshotCreate = "volume-snapshot-create" // VolumeSnapshotRef → nothing
	VerbVolumeSnapshotDelete = "volume-snapshot-delete" // VolumeSnapshotRef → nothing
	VerbVolumeRevert         = "volume-revert"          // VolumeSnapshotRef → nothing
	VerbVolumeExport         = "volume-export"          // VolumeExport → VolumeConnection
	VerbVolumeUnexport       = "volume-unexport"        // VolumeUnexport → nothing
	VerbVolumeLimit          = "volume-limit"           // VolumeLimit → nothing
	VerbVolumeUpload         = "volume-upload"          // VolumeUpload → nothing, after the last WriteImage
	VerbVolumeBackup         = "volume-backup"          // VolumeBackup → VolumeBackupMade, after the last WriteBackup
	VerbVolumeRestore        = "volume-restore"         // VolumeRestore → nothing
	VerbVolumeCopy           = "volume-copy"            // VolumeCopy → nothing
	VerbVolumeCopyFinish     = "volume-copy-finish"     // VolumeRef → nothing
	VerbVolumeCopyEnd        = "volume-copy-end"        // VolumeCopy → nothing
	VerbVolumeBackends       = "volume-backends"        // nothing → []VolumeBackend
	VerbVolumeManageable     = "volume-manageable"      // VolumeRef → []ManageableVolume
	VerbVolumeAdopt          = "volume-adopt"           // VolumeName → VolumeBytes
	VerbVolumeRelease        = "volume-release"         // VolumeName → nothing

	VerbVolumeManageableSnapshots = "volume-manageable-snapshots" // VolumeRef → []ManageableSnapshot
	VerbVolumeAdoptSnapshot       = "volume-adopt-snapshot"       // VolumeSnapshotName → VolumeBytes
	VerbVolumeReleaseSnapshot     = "volume-release-snapshot"     // VolumeSnapshotName → nothing

	ControlWriteBackup = "backup-write" // BackupWrite → nothing
	ControlReadBackup  = "backup-read"  // BackupRead → BackupWrite
)

// VolumeExtend is the message of ExtendVolume.
type VolumeExtend struct {
	VolumeRef
	SizeGiB int `json:"size_gib"`
}

// VolumeUnexport is the message of UnexportVolume.
type VolumeUnexport struct {
	VolumeRef
	Client string `json:"client"`
}

// VolumeLimit is the message of LimitVolume.
type VolumeLimit struct {
	VolumeRef
	Limits VolumeLimits `json:"limits"`
}

// VolumeName is the message of AdoptVolume and ReleaseVolume.
type VolumeName struct {
	VolumeRef
	Name string `json:"name"`
}

// VolumeSnapshotName is the message of AdoptSnapshot and ReleaseSnapshot.
type VolumeSnapshotName struct {
	VolumeSnapshotRef
	Name string `json:"name"`
}

// Volumes asks a host about its volumes. Bytes take their time: without a
// deadline in the context a call is given up after 30 seconds.
func (c Client) Volumes(host string) VolumeHost { return volumesOf{c, host} }

type volumesOf struct {
	client Client
	host   string
}

func (v volumesOf) CreateVolume(ctx context.Context, c *VolumeCreate) (*VolumeBytes, error) {
	return ask[VolumeBytes](ctx, v.client, v.host, VerbVolumeCreate, c)
}

func (v volumesOf) DeleteVolume(ctx context.Context, ref VolumeRef) error {
	return v.tell(ctx, VerbVolumeDelete, ref)
}

func (v volumesOf) ExtendVolume(ctx context.Context, ref VolumeRef, sizeGiB int) error {
	return v.tell(ctx, VerbVolumeExtend, VolumeExtend{ref, sizeGiB})
}

func (v volumesOf) CreateVolumeSnapshot(ctx context.Context, s VolumeSnapshotRef) error {
	return v.tell(ctx, VerbVolumeSnapshotCreate, s)
}

func (v volumesOf) DeleteVolumeSnapshot(ctx context.Context, s VolumeSnapshotRef) error {
	return v.tell(ctx, VerbVolumeSnapshotDelete, s)
}

func (v volumesOf) RevertVolume(ctx context.Context, s VolumeSnapshotRef) error {
	return v.tell(ctx, VerbVolumeRevert, s)
}

func (v volumesOf) ExportVolume(ctx context.Context, e *VolumeExport) (*VolumeConnection, error) {
	return ask[VolumeConnection](ctx, v.client, v.host, VerbVolumeExport, e)
}

func (v volumesOf) UnexportVolume(ctx context.Context, ref VolumeRef, client string) error {
	return v.tell(ctx, VerbVolumeUnexport, VolumeUnexport{ref, client})
}

func (v volumesOf) LimitVolume(ctx context.Context, ref VolumeRef, limits VolumeLimits) error {
	return v.tell(ctx, VerbVolumeLimit, VolumeLimit{ref, limits})
}

func (v volumesOf) UploadVolume(ctx context.Context, u *VolumeUpload) error {
	return v.tell(ctx, VerbVolumeUpload, u)
}

func (v volumesOf) BackupVolume(ctx context.Context, b *VolumeBackup) (*VolumeBackupMade, error) {
	return ask[VolumeBackupMade](ctx, v.client, v.host, VerbVolumeBackup, b)
}

func (v volumesOf) RestoreVolume(ctx context.Context, r *VolumeRestore) error {
	return v.tell(ctx, VerbVolumeRestore, r)
}

func (v volumesOf) CopyVolume(ctx context.Context, c *VolumeCopy) error {
	return v.tell(ctx, VerbVolumeCopy, c)
}

func (v volumesOf) FinishCopy(ctx context.Context, from VolumeRef) error {
	return v.tell(ctx, VerbVolumeCopyFinish, from)
}

func (v volumesOf) EndCopy(ctx context.Context, c *VolumeCopy) error {
	return v.tell(ctx, VerbVolumeCopyEnd, c)
}

func (v volumesOf) VolumeBackends(ctx context.Context) ([]VolumeBackend, error) {
	return list[VolumeBackend](ctx, v, VerbVolumeBackends, struct{}{})
}

func (v volumesOf) ManageableVolumes(ctx context.Context, backend string) ([]ManageableVolume, error) {
	return list[ManageableVolume](ctx, v, VerbVolumeManageable, VolumeRef{Backend: backend})
}

func (v volumesOf) AdoptVolume(ctx context.Context, ref VolumeRef, name string) (*VolumeBytes, error) {
	return ask[VolumeBytes](ctx, v.client, v.host, VerbVolumeAdopt, VolumeName{ref, name})
}

func (v volumesOf) ReleaseVolume(ctx context.Context, ref VolumeRef, name string) error {
	return v.tell(ctx, VerbVolumeRelease, VolumeName{ref, name})
}

func (v volumesOf) ManageableSnapshots(ctx context.Context, backend string) ([]ManageableSnapshot, error) {
	return list[ManageableSnapshot](ctx, v, VerbVolumeManageableSnapshots, VolumeRef{Backend: backend})
}

func (v volumesOf) AdoptSnapshot(ctx context.Context, s VolumeSnapshotRef, name string) (*VolumeBytes, error) {
	return ask[VolumeBytes](ctx, v.client, v.host, VerbVolumeAdoptSnapshot, VolumeSnapshotName{s, name})
}

func (v volumesOf) ReleaseSnapshot(ctx context.Context, s VolumeSnapshotRef, name string) error {
	return v.tell(ctx, VerbVolumeReleaseSnapshot, VolumeSnapshotName{s, name})
}

func (v volumesOf) tell(ctx context.Context, verb string, in any) error {
	return v.client.Bus.Request(ctx, HostSubject(v.host, verb), in, nil)
}

func list[T any](ctx context.Context, v volumesOf, verb string, in any) ([]T, error) {
	out, err := ask[[]T](ctx, v.client, v.host, verb, in)
	if err != nil {
		return nil, err
	}
	return *out, nil
}
