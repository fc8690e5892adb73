package volume

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/image"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// NewVolume is what a volume is made of. At most one of the sources is set.
type NewVolume struct {
	ID                string // "": a new one; other parts of the cloud choose before they ask
	Name, Description string
	SizeGiB           int    // 0: as its source
	Type              string // name or id; "": as its source, or the default
	Zone              string
	Metadata          map[string]string
	Hints             Hints
	GroupID           string

	SnapshotID, SourceID, ImageID, BackupID string
}

// source is what a volume's bytes come from.
type source struct {
	snapshot *Snapshot
	volume   *Volume // the source, or the one that was snapshot
	image    *image.Image
	backup   *Backup
	origin   *Volume // of the backup, if it is still there
}

// Create makes a volume; its bytes are there when it is available.
func (f *Volumes) Create(ctx context.Context, n NewVolume) (v *Volume, err error) {
	if err := f.s.Check(ctx, "volume:create"); err != nil {
		return nil, err
	}
	img, err := f.sourceImage(ctx, n.ImageID)
	if err != nil {
		return nil, err
	}
	err = f.s.write(ctx, func(tx *store.Tx) (err error) {
		v, err = f.createTx(ctx, tx, n, img)
		return err
	})
	return v, err
}

// sourceImage finds the image that a volume is to be made of, as its user sees it.
func (f *Volumes) sourceImage(ctx context.Context, id string) (*image.Image, error) {
	if id == "" {
		return nil, nil
	}
	if err := f.s.Check(ctx, "volume:create_from_image"); err != nil {
		return nil, err
	}
	img, err := f.s.images.Show(ctx, id)
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.Invalid, "Invalid image identifier or unable to access requested image.")
	}
	if err == nil && img.Status != image.Active {
		err = errs.New(errs.Invalid, "Invalid input received: Image %s is not active.", id)
	}
	return img, err
}

func (f *Volumes) createTx(ctx context.Context, tx *store.Tx, n NewVolume, img *image.Image) (*Volume, error) {
	src, err := f.sourceOf(ctx, tx, n)
	if err != nil {
		return nil, err
	}
	src.image = img
	if err := src.size(&n); err != nil {
		return nil, err
	}
	kind, err := f.typeFor(ctx, tx, n.Type, src)
	if err != nil {
		return nil, err
	}
	if n.GroupID != "" {
		if _, err := f.s.Groups.ForVolume(ctx, tx, n.GroupID, kind.ID); err != nil {
			return nil, err
		}
	}
	if n.Zone, err = f.zoneFor(ctx, tx, n.Zone, src); err != nil {
		return nil, err
	}
	who := actor.From(ctx)
	v := &Volume{
		ID: n.ID, ProjectID: who.ProjectID, UserID: who.UserID, Name: n.Name, Description: n.Description, Status: Creating,
		SizeGiB: n.SizeGiB, Zone: n.Zone, TypeID: kind.ID, Metadata: n.Metadata, GroupID: n.GroupID, AttachStatus: "detached",
		SnapshotID: n.SnapshotID, SourceID: n.SourceID, ImageID: n.ImageID, BackupID: n.BackupID,
		Multiattach: strings.EqualFold(kind.ExtraSpecs["multiattach"], "<is> true"), CreatedAt: f.s.now(),
	}
	if v.ID == "" {
		v.ID = ids.New()
	}
	if v.Multiattach {
		if err := f.s.Check(ctx, "volume:multiattach"); err != nil {
			return nil, err
		}
	}
	v.TypeName = kind.Name
	src.describe(v)
	if err := f.s.keys.give(ctx, tx, v, kind, src); err != nil {
		return nil, err
	}
	if err := f.s.parts.spend(ctx, tx, Demand{Project: v.ProjectID, Type: kind.Name, Volumes: 1, GiB: v.SizeGiB, PerVolume: v.SizeGiB}); err != nil {
		return nil, err
	}
	if err := f.s.tables.Volumes.Insert(ctx, tx, v); err != nil {
		return nil, err
	}
	audit.Created(ctx, v.ID)
	return v, f.s.begin(ctx, tx, kindCreate, resource(v.ID), Work{Volume: v.ID, Hints: n.Hints, Backup: n.BackupID, Image: rootDisk(img, v.SizeGiB)})
}

// sourceOf finds what the volume is to be made of, in a state that allows it.
func (f *Volumes) sourceOf(ctx context.Context, tx *store.Tx, n NewVolume) (src source, err error) {
	set := 0
	for _, id := range []string{n.SnapshotID, n.SourceID, n.ImageID, n.BackupID} {
		if id != "" {
			set++
		}
	}
	if set > 1 {
		return src, errs.New(errs.Invalid, "May specify only one of snapshot, imageRef, source volume or backup")
	}
	switch {
	case n.SnapshotID != "":
		if src.snapshot, err = f.s.Snapshots.get(ctx, tx, "volume:get_snapshot", n.SnapshotID); err != nil {
			return src, err
		}
		if src.snapshot.Status != Available {
			return src, errs.New(errs.Invalid, "Invalid snapshot: Originating snapshot status must be one of 'available' values")
		}
		src.volume, err = f.s.tables.Volumes.Get(ctx, tx, src.snapshot.VolumeID)
	case n.SourceID != "":
		if src.volume, err = f.get(ctx, tx, "volume:get", n.SourceID); err != nil {
			return src, err
		}
		if src.volume.Status != Available && src.volume.Status != InUse {
			return src, invalid("Originating source volume status must be one of 'available, in-use' values")
		}
	case n.BackupID != "":
		if src.backup, err = f.s.Backups.get(ctx, tx, "backup:get", n.BackupID); err != nil {
			return src, err
		}
		if src.backup.Status != Available {
			return src, errs.New(errs.Invalid, "Invalid backup: Originating backup status must be one of 'available' values")
		}
		if src.origin, err = f.s.tables.Volumes.Get(ctx, tx, src.backup.VolumeID); errs.Is(err, errs.NotFound) {
			err = nil // it may be gone: that is what backups are for
		}
	}
	return src, err
}

// size fills in the size and checks it against the source.
func (src source) size(n *NewVolume) error {
	least, what, unit := 0, "", ""
	switch {
	case src.snapshot != nil:
		least, what, unit = src.snapshot.SizeGiB, "the snapshot size", "original snapshot size"
	case src.volume != nil:
		least, what, unit = src.volume.SizeGiB, "original volume size ", "original volume size"
	case src.backup != nil:
		least, what, unit = src.backup.SizeGiB, "the backup size", "backup size"
	}
	if n.SizeGiB == 0 {
		n.SizeGiB = least
	}
	if n.SizeGiB <= 0 {
		return errs.New(errs.Invalid, "Invalid input received: Volume size '%d' must be an integer and greater than 0", n.SizeGiB)
	}
	if n.SizeGiB < least {
		return errs.New(errs.Invalid, "Invalid input received: Volume size '%d'GB cannot be smaller than %s %dGB. They must be >= %s.", n.SizeGiB, what, least, unit)
	}
	img := src.image
	if img == nil {
		return nil
	}
	var bytes int64
	for _, p := range []*int64{img.Size, img.VirtualSize} {
		if p != nil {
			bytes = max(bytes, *p)
		}
	}
	if gib := (bytes + 1<<30 - 1) >> 30; gib > int64(n.SizeGiB) {
		return errs.New(errs.Invalid, "Invalid input received: Size of specified image %dGB is larger than volume size %dGB.", gib, n.SizeGiB)
	}
	if img.MinDisk > int64(n.SizeGiB) {
		return errs.New(errs.Invalid, "Invalid input received: Volume size %dGB cannot be smaller than the image minDisk size %dGB.", n.SizeGiB, img.MinDisk)
	}
	return nil
}

// typeFor is the type that was asked for, else the source's, else the default.
func (f *Volumes) typeFor(ctx context.Context, tx *store.Tx, which string, src source) (*Type, error) {
	if which == "" && src.volume != nil {
		return f.s.parts.typeByID(ctx, tx, src.volume.TypeID)
	}
	if which == "" && src.origin != nil {
		return f.s.parts.typeByID(ctx, tx, src.origin.TypeID)
	}
	if which == "" && src.image != nil {
		which = src.image.Properties["cinder_img_volume_type"]
	}
	return f.s.parts.typeOf(ctx, tx, which)
}

// zoneFor checks the zone: one that a backend is in, and the source's.
func (f *Volumes) zoneFor(ctx context.Context, tx *store.Tx, zone string, src source) (string, error) {
	if src.volume != nil {
		if zone != "" && zone != src.volume.Zone {
			return "", errs.New(errs.Invalid, "Invalid input received: Volume must be in the same availability zone as the %s",
				map[bool]string{true: "snapshot", false: "source volume"}[src.snapshot != nil])
		}
		return src.volume.Zone, nil
	}
	if zone == "" {
		return f.s.cfg.Zone, nil
	}
	zones, err := f.zonesTx(ctx, tx)
	if err == nil && !slices.Contains(zones, zone) {
		err = errs.New(errs.Invalid, "Availability zone '%s' is invalid.", zone)
	}
	return zone, err
}

// Zones are the availability zones in which volumes can be.
func (f *Volumes) zonesTx(context.Context, *store.Tx) ([]string, error) {
	return []string{f.s.cfg.Zone}, nil
}

// describe fills in what a volume takes over from its source.
func (src source) describe(v *Volume) {
	if src.volume != nil {
		v.Bootable, v.ImageMetadata = src.volume.Bootable, src.volume.ImageMetadata
		if src.volume.Multiattach && v.TypeID == src.volume.TypeID {
			v.Multiattach = true
		}
	}
	if src.origin != nil {
		v.Bootable, v.ImageMetadata = src.origin.Bootable, src.origin.ImageMetadata
	}
	if src.backup != nil && len(v.Metadata) == 0 {
		v.Metadata = src.backup.VolumeMetadata
	}
	if src.image != nil {
		v.Bootable, v.ImageMetadata = true, imageMetadata(src.image)
	}
}

// rootDisk is an image as hosts are told to fetch it; nil for none.
func rootDisk(img *image.Image, sizeGiB int) *hostapi.RootDisk {
	if img == nil {
		return nil
	}
	d := &hostapi.RootDisk{ImageID: img.ID, SizeGiB: sizeGiB, DiskFormat: img.DiskFormat}
	if img.Size != nil {
		d.ImageBytes = *img.Size
	}
	if img.HashAlgo == "sha512" {
		d.SHA512 = img.HashValue
	}
	return d
}
