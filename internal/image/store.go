package image

import (
	"context"
	"strings"
	"time"

	"kumoi/internal/image/metadef"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Tables are where the service keeps what it knows; package sqlstore declares
// them. Images are read with their properties, tags and locations, which are
// written by insert and save.
//
// Images have the conditions "of" (a project owns it), "among" (it has the
// visibility), "shared with" (a project is a member) and "shared as" (a project
// is one with a status), and "property" (a property has a value).
type Tables struct {
	Images *store.Table[Image]
	// Deleted are the ids of images that are gone: they never name another one.
	Deleted    *store.Table[DeletedRow]
	Properties *store.Table[PropertyRow]
	Tags       *store.Table[TagRow]
	Locations  *store.Table[LocationRow]
	Members    *store.Table[Member]
	Tasks      *store.Table[Task]
	Cache      *store.Table[CacheEntry]
	// Uploads are data being written, Garbage data to be removed.
	Uploads *store.Table[Upload]
	Garbage *store.Table[Garbage]
	// Usage counts what a project has, for its quotas.
	Usage   func(ctx context.Context, tx *store.Tx, project string) (Usage, error)
	Metadef metadef.Tables
}

// DeletedRow is the id of a deleted image, in lower case.
type DeletedRow struct{ ID string }

// PropertyRow is a property of an image.
type PropertyRow struct{ ImageID, Name, Value string }

// TagRow is a tag of an image.
type TagRow struct{ ImageID, Value string }

// LocationRow is a location of an image, at its place among them.
type LocationRow struct {
	Location
	ImageID  string
	Position int
}

// Upload is data on its way into a store: the place is known before the first
// byte is written. Whoever writes renews the lease; an expired one is cleaned up.
type Upload struct {
	URL        string
	Store      string
	ImageID    string
	Node       string // who writes
	LeaseUntil time.Time
}

// Garbage is data that no image has any more.
type Garbage struct {
	ID        string
	Store     string
	URL       string
	ImageID   string
	NotBefore time.Time
	Attempts  int
}

// Usage is what a project's images take, in the units of its quotas.
type Usage struct {
	SizeTotal      int64 // bytes in stores, each copy counted
	StageTotal     int64 // bytes staged
	CountTotal     int64
	CountUploading int64
}

// insert adds an image with all that belongs to it. Its id must
// be new: whoever boots by one that was once somebody's must not get what a
// stranger put there.
func (f *Images) insert(ctx context.Context, tx *store.Tx, img *Image) error {
	taken, err := f.s.tables.Images.Any(ctx, tx, store.Eq("id", img.ID))
	if err == nil && !taken { // in this order: one that is deleted meanwhile is seen here
		taken, err = f.s.tables.Deleted.Any(ctx, tx, store.Eq("id", strings.ToLower(img.ID)))
	}
	if err != nil {
		return err
	}
	if taken {
		return errs.New(errs.Exists, "Image ID %s already exists!", img.ID)
	}
	if err := f.s.tables.Images.Insert(ctx, tx, img); err != nil {
		return err
	}
	return f.insertParts(ctx, tx, img)
}

// save writes an image with all that belongs to it, if nobody changed it since
// it was read.
func (f *Images) save(ctx context.Context, tx *store.Tx, img *Image) error {
	if err := f.s.tables.Images.Update(ctx, tx, img); err != nil {
		if errs.Is(err, errs.Conflict) {
			err = errs.New(errs.Conflict, "The image %s was changed by somebody else meanwhile.", img.ID)
		}
		return err
	}
	its := store.Eq("image_id", img.ID)
	if _, err := f.s.tables.Properties.DeleteWhere(ctx, tx, its); err != nil {
		return err
	}
	if _, err := f.s.tables.Tags.DeleteWhere(ctx, tx, its); err != nil {
		return err
	}
	if _, err := f.s.tables.Locations.DeleteWhere(ctx, tx, its); err != nil {
		return err
	}
	return f.insertParts(ctx, tx, img)
}

// erase removes an image with all that belongs to it.
func (f *Images) erase(ctx context.Context, tx *store.Tx, img *Image) error {
	if err := f.s.tables.Images.Delete(ctx, tx, img.ID); err != nil {
		return err
	}
	return f.s.tables.Deleted.Insert(ctx, tx, &DeletedRow{strings.ToLower(img.ID)})
}

func (f *Images) insertParts(ctx context.Context, tx *store.Tx, img *Image) error {
	for name, value := range img.Properties {
		if err := f.s.tables.Properties.Insert(ctx, tx, &PropertyRow{img.ID, name, value}); err != nil {
			return err
		}
	}
	for _, tag := range img.Tags {
		if err := f.s.tables.Tags.Insert(ctx, tx, &TagRow{img.ID, tag}); err != nil {
			return err
		}
	}
	for i, l := range img.Locations {
		if err := f.s.tables.Locations.Insert(ctx, tx, &LocationRow{l, img.ID, i}); err != nil {
			return err
		}
	}
	return nil
}

// inUse tells whether an image or an upload has the URL.
func (f *Images) inUse(ctx context.Context, tx *store.Tx, url string) (bool, error) {
	used, err := f.s.tables.Locations.Any(ctx, tx, store.Eq("url", url))
	if err != nil || used {
		return used, err
	}
	return f.s.tables.Uploads.Any(ctx, tx, store.Eq("url", url))
}
