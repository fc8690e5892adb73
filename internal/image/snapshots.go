package image

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// hosts is the part of the cloud that fills snapshots.
const hosts = "compute"

// Snapshot is the image of a server's disk, which its host will fill.
type Snapshot struct {
	ID, Name                    string
	DiskFormat, ContainerFormat string
	MinDisk, MinRAM             int64 // GiB, MiB
	Properties                  map[string]string
}

// CreateSnapshot adds a queued, private image in the caller's transaction. Only
// its host's upload fills it: what its owner, or who took over his account, puts
// there before would be booted as the server's disk.
func (f *Images) CreateSnapshot(ctx context.Context, tx *store.Tx, n Snapshot) error {
	attributes := map[string]any{
		"id": n.ID, "name": n.Name, "disk_format": n.DiskFormat, "container_format": n.ContainerFormat,
		"min_disk": n.MinDisk, "min_ram": n.MinRAM, "visibility": string(Private),
	}
	for k, v := range n.Properties {
		if _, base := attributes[k]; !base {
			attributes[k] = v
		}
	}
	img, err := f.newImage(ctx, attributes)
	if err != nil {
		return err
	}
	img.Feeder = hosts
	return f.createTx(ctx, tx, img)
}

// fillable refuses data for an image that another part of the cloud will fill.
func (img *Image) fillable(ctx context.Context) error {
	if img.Feeder != "" && img.Status == Queued && actor.From(ctx).System != img.Feeder {
		return errs.New(errs.Forbidden, "Image %s is the disk of a server: its host fills it, and nobody else.", img.ID)
	}
	return nil
}

// ListBackups returns the ids of a project's images of a server's rotating
// backup, the newest first.
func (f *Images) ListBackups(ctx context.Context, owner, serverID, kind string) ([]string, error) {
	page, err := f.List(ctx, store.Query{Limit: 1000, Where: []store.Cond{
		store.Eq("owner", owner), Property("image_type", "backup"), Property("backup_type", kind), Property("instance_uuid", serverID),
	}})
	ids := make([]string, len(page.Rows))
	for i, img := range page.Rows {
		ids[i] = img.ID
	}
	return ids, err
}

// Property wants a property of images to have a value.
func Property(name, value string) store.Cond { return store.Is("property", []any{name, value}) }

// Bytes is the size of the image's data, 0 while there is none.
func (img *Image) Bytes() int64 {
	if img.Size == nil {
		return 0
	}
	return *img.Size
}

// DiskBytes is the size that a disk made of the image has at least.
func (img *Image) DiskBytes() int64 {
	if img.VirtualSize == nil {
		return img.Bytes()
	}
	return max(img.Bytes(), *img.VirtualSize)
}

// SHA512 is the hash of the image's data, if it is known.
func (img *Image) SHA512() string {
	if img.HashAlgo != hashAlgo {
		return ""
	}
	return img.HashValue
}
