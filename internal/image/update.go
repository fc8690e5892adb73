package image

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Change is one operation of a patch.
type Change struct {
	Op    string // add, replace, remove
	Path  []string
	Value any // as JSON has it
	// Strict is the older patch format's rule that add must not replace.
	Strict bool
}

// Update applies the changes of a patch, all or none.
func (f *Images) Update(ctx context.Context, id string, changes []Change) (*Image, error) {
	for _, c := range changes {
		if err := checkSettable(c.Path[0]); err != nil {
			return nil, err
		}
	}
	return f.modify(ctx, id, "modify_image", func(tx *store.Tx, img *Image) error {
		for _, c := range changes {
			if err := f.apply(ctx, tx, img, c); err != nil {
				return err
			}
		}
		return f.checkCounts(img)
	})
}

// modify changes an image's record in one transaction, if rule allows it.
func (f *Images) modify(ctx context.Context, id, rule string, change func(*store.Tx, *Image) error) (*Image, error) {
	var img *Image
	err := f.s.db.Write(ctx, func(tx *store.Tx) (err error) {
		if img, err = f.visible(ctx, tx, id); err != nil {
			return err
		}
		if err := f.s.check(ctx, rule, img); err != nil {
			return err
		}
		if err := change(tx, img); err != nil {
			return err
		}
		img.UpdatedAt = f.s.now()
		return f.save(ctx, tx, img)
	})
	if err != nil {
		return nil, err
	}
	f.audit(ctx, "update", img)
	return img, nil
}

func (f *Images) apply(ctx context.Context, tx *store.Tx, img *Image, c Change) error {
	name := c.Path[0]
	if name == "locations" {
		return f.s.Locations.apply(ctx, tx, img, c)
	}
	if len(c.Path) != 1 {
		return errs.New(errs.Invalid, "Invalid JSON pointer for this resource: only properties of the image itself can be changed, not parts of '%s'.", quotable(name))
	}
	_, present := img.Properties[name]
	present = present || base(name)
	switch {
	case c.Op == "remove" && base(name):
		return errs.New(errs.Forbidden, "Property %s may not be removed.", name)
	case c.Op != "add" && !present:
		return errs.New(errs.Conflict, "Property %s does not exist.", quotable(name))
	case c.Op == "add" && present && c.Strict:
		return errs.New(errs.Conflict, "Property %s already present.", quotable(name))
	case c.Op == "remove":
		delete(img.Properties, name)
		return nil
	}
	if name == "owner" && !f.s.admin(ctx) {
		return errs.New(errs.Forbidden, "Owner can't be updated by non admin.")
	}
	before := img.Visibility
	if err := img.set(name, c.Value); err != nil {
		return err
	}
	if name == "visibility" && img.Visibility != before {
		return f.checkVisibility(ctx, img, img.Visibility)
	}
	return nil
}

// ChangeProperties sets and removes properties of an image.
func (f *Images) ChangeProperties(ctx context.Context, id string, set map[string]string, remove []string) error {
	var changes []Change
	for name, value := range set {
		changes = append(changes, Change{Op: "add", Path: []string{name}, Value: value})
	}
	for _, name := range remove {
		changes = append(changes, Change{Op: "remove", Path: []string{name}})
	}
	if len(changes) == 0 {
		return nil
	}
	_, err := f.Update(ctx, id, changes)
	return err
}

// AddTag adds one tag.
func (f *Images) AddTag(ctx context.Context, id, tag string) error {
	_, err := f.modify(ctx, id, "modify_image", func(_ *store.Tx, img *Image) error {
		if len([]rune(tag)) > 255 {
			return errs.New(errs.Invalid, "A tag may be at most 255 characters long.")
		}
		if err := checkText("tag", tag); err != nil {
			return err
		}
		if !slices.Contains(img.Tags, tag) {
			img.Tags = append(img.Tags, tag)
		}
		return f.checkCounts(img)
	})
	return err
}

// RemoveTag removes one tag; one that is not there is NotFound.
func (f *Images) RemoveTag(ctx context.Context, id, tag string) error {
	_, err := f.modify(ctx, id, "modify_image", func(_ *store.Tx, img *Image) error {
		i := slices.Index(img.Tags, tag)
		if i < 0 {
			return errs.New(errs.NotFound, "The tag %s is not found in the image.", quotable(tag))
		}
		img.Tags = slices.Delete(img.Tags, i, i+1)
		return nil
	})
	return err
}

// Deactivate keeps all but administrators from an image's data.
func (f *Images) Deactivate(ctx context.Context, id string) error {
	return f.switchStatus(ctx, id, "deactivate", Active, Deactivated)
}

// Reactivate makes an image's data readable again.
func (f *Images) Reactivate(ctx context.Context, id string) error {
	return f.switchStatus(ctx, id, "reactivate", Deactivated, Active)
}

func (f *Images) switchStatus(ctx context.Context, id, rule string, from, to Status) error {
	_, err := f.modify(ctx, id, rule, func(_ *store.Tx, img *Image) error {
		switch img.Status {
		case to:
		case from:
			img.Status = to
		default:
			return errs.New(errs.Forbidden, "Not allowed to %s image in status '%s'", rule, img.Status)
		}
		return nil
	})
	return err
}
