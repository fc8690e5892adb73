package image

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"kumoi/internal/image/backend"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
)

// ErrNoData says that an image has no data to read.
var ErrNoData = errs.New(errs.NotFound, "The image has no data.").WithCode("NoData")

// Downloads are images' bytes on their way to clients.
type Downloads struct{ s *Service }

// Data is an image's data, open for reading; its reader must close it.
type Data struct {
	backend.Object
	Image *Image
}

// Open opens an image's data for the actor. prefer names stores to read
// from before others.
func (f *Downloads) Open(ctx context.Context, id string, prefer ...string) (*Data, error) {
	img, err := f.s.Images.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	if img.Status == Deactivated && !f.s.admin(ctx) {
		return nil, errs.New(errs.Forbidden, "The requested image has been deactivated. Image data download is forbidden.")
	}
	if err := f.s.check(ctx, "download_image", img); err != nil {
		return nil, err
	}
	if len(prefer) > 0 {
		if err := f.s.check(ctx, "download_from_store", img); err != nil {
			return nil, err
		}
		for _, p := range prefer {
			if _, ok := f.s.Stores.named(p); !ok {
				return nil, errs.New(errs.Invalid, "Store '%s' is not configured.", quotable(p))
			}
		}
	}
	return f.open(ctx, img, prefer)
}

// OpenData opens the data of an active image for Kumoi itself, which feeds it
// to hosts in ranges.
func (f *Downloads) OpenData(ctx context.Context, id string) (*Data, error) {
	img, err := f.s.Images.Show(actor.AsSystem(ctx, "image"), id)
	if err != nil {
		return nil, err
	}
	return f.open(ctx, img, nil)
}

// open tries the image's locations, the best first, until one can be read.
func (f *Downloads) open(ctx context.Context, img *Image, prefer []string) (*Data, error) {
	if img.Status != Active && img.Status != Deactivated || len(img.Locations) == 0 {
		return nil, ErrNoData
	}
	if obj := f.s.Cache.open(img); obj != nil {
		return &Data{Object: obj, Image: img}, nil
	}
	var failures []error
	for _, l := range f.byPreference(img.Locations, prefer) {
		obj, err := f.openLocation(ctx, l)
		if err == nil && img.Size != nil && obj.Size() != *img.Size {
			obj.Close()
			err = errs.New(errs.Unavailable, "The store %s has %d bytes of image %s, not %d.", l.Store, obj.Size(), img.ID, *img.Size)
		}
		if err == nil {
			f.s.Cache.want(ctx, img, l)
			return &Data{Object: obj, Image: img}, nil
		}
		f.s.log.WarnContext(ctx, "image cannot be read from a store", "image_id", img.ID, "store", l.Store, "error", err)
		failures = append(failures, err)
	}
	return nil, errs.Wrap(errs.Unavailable, errors.Join(failures...),
		"None of the stores that hold image %s can deliver it now; try again later.", img.ID)
}

func (f *Downloads) openLocation(ctx context.Context, l Location) (backend.Object, error) {
	b, err := f.s.Stores.of(l)
	if err != nil {
		return nil, err
	}
	return b.Open(ctx, l.URL)
}

// byPreference orders locations: wanted stores, then heavier ones, then as they are.
func (f *Downloads) byPreference(locations []Location, prefer []string) []Location {
	rank := func(l Location) int {
		if i := slices.Index(prefer, l.Store); i >= 0 {
			return i
		}
		return len(prefer)
	}
	weight := func(l Location) int {
		n, _ := f.s.Stores.named(l.Store)
		return n.Weight
	}
	out := slices.Clone(locations)
	slices.SortStableFunc(out, func(a, b Location) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(weight(b), weight(a)))
	})
	return out
}
