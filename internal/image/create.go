package image

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// Create adds a queued image with the given attributes and properties, whose
// values are as JSON has them.
func (f *Images) Create(ctx context.Context, attributes map[string]any) (*Image, error) {
	var img *Image
	err := f.s.db.Write(ctx, func(tx *store.Tx) (err error) {
		if img, err = f.newImage(ctx, attributes); err != nil {
			return err
		}
		return f.createTx(ctx, tx, img)
	})
	return img, err
}

func (f *Images) createTx(ctx context.Context, tx *store.Tx, img *Image) error {
	if err := f.s.enforce(ctx, tx, img.Owner, quota.Want{Resource: "image_count_total", N: 1}); err != nil {
		return err
	}
	if err := f.insert(ctx, tx, img); err != nil {
		return err
	}
	audit.Created(ctx, img.ID)
	tx.AfterCommit(func() { f.audit(ctx, "create", img) })
	return nil
}

// newImage builds and checks an image's record from a request's attributes.
func (f *Images) newImage(ctx context.Context, attributes map[string]any) (*Image, error) {
	now := f.s.now()
	img := &Image{
		ID: ids.New(), Owner: actor.From(ctx).ProjectID, Status: Queued, Visibility: Shared,
		CreatedAt: now, UpdatedAt: now, Properties: map[string]string{}, Tags: []string{},
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		v := attributes[name]
		if name == "id" {
			id, _ := v.(string)
			if !imageID.MatchString(id) {
				return nil, mismatch("id", "a UUID")
			}
			img.ID = id
			continue
		}
		if name == "locations" {
			return nil, errs.New(errs.Forbidden, "Locations are set by PATCH or by the locations API, not at creation.")
		}
		if err := checkSettable(name); err != nil {
			return nil, err
		}
		if err := img.set(name, v); err != nil {
			return nil, err
		}
	}
	if err := f.s.policy.Check(ctx, "add_image", img.target()); err != nil {
		if errs.Is(err, errs.Forbidden) && img.Owner != actor.From(ctx).ProjectID {
			return nil, errs.New(errs.Forbidden, "You are not permitted to create images owned by '%s'", quotable(img.Owner))
		}
		return nil, err
	}
	if err := f.checkVisibility(ctx, img, img.Visibility); err != nil {
		return nil, err
	}
	return img, f.checkCounts(img)
}

// checkVisibility asks whether the actor may give img the visibility.
func (f *Images) checkVisibility(ctx context.Context, img *Image, v Visibility) error {
	switch v {
	case Public:
		return f.s.policy.Check(ctx, "publicize_image", img.target())
	case Community:
		return f.s.policy.Check(ctx, "communitize_image", img.target())
	}
	return nil
}

// checkCounts bounds what belongs to one image.
func (f *Images) checkCounts(img *Image) error {
	n := 0
	for name := range img.Properties {
		if len(name) < len(reservedPrefix) || name[:len(reservedPrefix)] != reservedPrefix {
			n++
		}
	}
	if n > f.s.cfg.MaxProperties {
		return errs.New(errs.TooLarge, "The limit has been exceeded on the number of allowed image properties. Attempted: %d, Maximum: %d", n, f.s.cfg.MaxProperties)
	}
	if len(img.Tags) > f.s.cfg.MaxTags {
		return errs.New(errs.TooLarge, "The limit has been exceeded on the number of allowed image tags. Attempted: %d, Maximum: %d", len(img.Tags), f.s.cfg.MaxTags)
	}
	if len(img.Locations) > f.s.cfg.MaxLocations {
		return errs.New(errs.TooLarge, "The limit has been exceeded on the number of allowed image locations. Attempted: %d, Maximum: %d", len(img.Locations), f.s.cfg.MaxLocations)
	}
	return nil
}

// audit logs a change of an image.
func (f *Images) audit(ctx context.Context, what string, img *Image) {
	a := actor.From(ctx)
	f.s.log.InfoContext(ctx, "image "+what, "image_id", img.ID, "status", string(img.Status),
		"owner", img.Owner, "user_id", a.UserID, "project_id", a.ProjectID, "system", a.System, "request_id", a.RequestID)
}
