package volume

import (
	"context"
	"maps"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// SetBootable says whether servers may boot from the volume.
func (f *Volumes) SetBootable(ctx context.Context, id string, yes bool) error {
	_, err := f.change(ctx, "volume_extension:volume_actions:set_bootable", id, func(_ *store.Tx, v *Volume) error {
		v.Bootable = yes
		return nil
	})
	return err
}

// SetReadOnly says whether clients may write.
func (f *Volumes) SetReadOnly(ctx context.Context, id string, yes bool) error {
	_, err := f.change(ctx, "volume:update_readonly_flag", id, func(_ *store.Tx, v *Volume) error {
		if v.Status != Available {
			return invalid("Volume %s status must be available to update readonly flag, but current status is: %s.", v.ID, v.Status)
		}
		v.ReadOnly = yes
		next := maps.Clone(v.Metadata) // where clients look for it
		if next == nil {
			next = map[string]string{}
		}
		next["readonly"] = map[bool]string{true: "True", false: "False"}[yes]
		v.Metadata = next
		return nil
	})
	return err
}

// ImageMetadata returns what a volume remembers of its image.
func (f *Volumes) ImageMetadata(ctx context.Context, id string) (map[string]string, error) {
	v, err := f.ShowBy(ctx, "volume_extension:volume_image_metadata:show", id)
	if err != nil {
		return nil, err
	}
	return v.ImageMetadata, nil
}

// SetImageMetadata adds to that.
func (f *Volumes) SetImageMetadata(ctx context.Context, id string, m map[string]string) (map[string]string, error) {
	v, err := f.change(ctx, "volume_extension:volume_image_metadata:set", id, func(_ *store.Tx, v *Volume) error {
		next := maps.Clone(v.ImageMetadata)
		if next == nil {
			next = map[string]string{}
		}
		maps.Copy(next, m)
		v.ImageMetadata = next
		return nil
	})
	if err != nil {
		return nil, err
	}
	return v.ImageMetadata, nil
}

// UnsetImageMetadata removes a key of it.
func (f *Volumes) UnsetImageMetadata(ctx context.Context, id, key string) error {
	_, err := f.change(ctx, "volume_extension:volume_image_metadata:remove", id, func(_ *store.Tx, v *Volume) error {
		if _, ok := v.ImageMetadata[key]; !ok {
			return errs.New(errs.NotFound, "Metadata does not exist.")
		}
		next := maps.Clone(v.ImageMetadata)
		delete(next, key)
		v.ImageMetadata = next
		return nil
	})
	return err
}

// Reset is the administrators' word about a volume; "" leaves a field.
type Reset struct{ Status, AttachStatus, MigrationStatus string }

// ResetStatus changes what is recorded of a volume, and nothing else.
func (f *Volumes) ResetStatus(ctx context.Context, id string, r Reset) error {
	_, err := f.change(ctx, "volume_extension:volume_admin_actions:reset_status", id, func(tx *store.Tx, v *Volume) error {
		if r.Status != "" {
			v.Status = r.Status
		}
		if r.MigrationStatus != "" {
			if v.MigrationStatus = r.MigrationStatus; r.MigrationStatus == "none" {
				v.MigrationStatus = ""
			}
		}
		if r.AttachStatus == "" {
			return nil
		}
		v.AttachStatus = r.AttachStatus
		if r.AttachStatus != "detached" {
			return nil
		}
		v.Attachments = nil
		_, err := f.s.tables.Attachments.DeleteWhere(ctx, tx, store.Eq("volume_id", v.ID))
		return err
	})
	return err
}
