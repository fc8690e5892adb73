package volume

import (
	"context"
	"maps"

	"kumoi/internal/hostapi"
	"kumoi/internal/image"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// NewUpload is a volume as an image.
type NewUpload struct {
	Name, DiskFormat, ContainerFormat string
	Visibility                        string
	Protected                         bool
	Force                             bool // although it is in use
}

// Uploaded is what an upload has begun.
type Uploaded struct {
	Volume   *Volume
	ImageID  string
	TypeName string
}

// Upload makes an image of a volume's bytes. Whoever asks owns it.
func (f *Contents) Upload(ctx context.Context, id string, n NewUpload) (up *Uploaded, err error) {
	if n.Visibility == "public" {
		if err := f.s.Check(ctx, "volume_extension:volume_actions:upload_public"); err != nil {
			return nil, err
		}
	}
	if n.Visibility != "" && n.Visibility != "private" || n.Protected {
		return nil, errs.New(errs.Invalid, "An image of a volume begins private and unprotected; change it with the image service when it is there.")
	}
	err = f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.s.Volumes.get(ctx, tx, actionRule+"upload_image", id)
		if err != nil {
			return err
		}
		if v.Status != Available && (!n.Force || v.Status != InUse) {
			return invalid("Volume %s status must be available or in-use", v.ID)
		}
		if v.Encrypted && (n.DiskFormat != "raw" || n.ContainerFormat != "bare") {
			return errs.New(errs.Invalid, "An encrypted volume uploaded as an image must use 'raw' disk_format and 'bare' container_format, which are the defaults for these options.")
		}
		kind, err := f.s.parts.typeByID(ctx, tx, v.TypeID)
		if err != nil {
			return err
		}
		up = &Uploaded{Volume: v, ImageID: ids.New(), TypeName: kind.Name}
		properties := maps.Clone(v.ImageMetadata)
		for _, own := range []string{"image_id", "image_name", "checksum", "container_format", "disk_format", "min_disk", "min_ram", "size"} {
			delete(properties, own)
		}
		if err := f.s.images.CreateSnapshot(ctx, tx, image.Snapshot{
			ID: up.ImageID, Name: n.Name, DiskFormat: n.DiskFormat, ContainerFormat: n.ContainerFormat, MinDisk: int64(v.SizeGiB), Properties: properties,
		}); err != nil {
			return err
		}
		was := v.Status
		v.Status, v.PreviousStatus = Uploading, was
		if err := f.s.Volumes.save(ctx, tx, v); err != nil {
			return err
		}
		return f.s.begin(ctx, tx, kindUpload, resource(v.ID), Work{Volume: v.ID, Place: v.Host, Upload: up.ImageID, Format: n.DiskFormat, Was: was})
	})
	return up, err
}

// uploadSaga has the host send the bytes. An image that did not get them goes.
func (f *Contents) uploadSaga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindUpload, Version: 1,
		Steps: []step{{
			Name: "upload", Timeout: long,
			Do: f.s.onHost(func(ctx context.Context, h hostapi.VolumeHost, w *Work) error {
				if img, err := f.s.images.Show(actor.AsSystem(ctx, "volume"), w.Upload); err == nil && img.Status == image.Active {
					return nil // a run that crashed had ended
				}
				u := &hostapi.VolumeUpload{VolumeRef: w.ref(), ImageID: w.Upload, DiskFormat: w.Format}
				err := f.s.read(ctx, func(tx *store.Tx) error {
					v, err := f.s.tables.Volumes.Get(ctx, tx, w.Volume)
					if err == nil {
						u.Encryption, err = f.s.keys.encryption(ctx, tx, v)
					}
					return err
				})
				if err != nil {
					return err
				}
				return h.UploadVolume(ctx, u)
			}),
			Undo: func(ctx context.Context, w *Work) error {
				return gone(f.s.images.Delete(actor.AsSystem(ctx, "volume"), w.Upload))
			},
		}},
		Done: f.s.finish(func(_ context.Context, _ *store.Tx, w *Work, v *Volume) error {
			v.Status, v.PreviousStatus = w.Was, ""
			return nil
		}),
		Failed: f.s.fail("", actUpload, uploadFailed),
	}
}
