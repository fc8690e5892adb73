package image

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Stores are where images' bytes are kept.
type Stores struct{ s *Service }

// StoreInfo describes a store; the second half is for administrators.
type StoreInfo struct {
	ID, Description   string
	Default, ReadOnly bool
	Type              string
	Weight            int
	Properties        map[string]any
}

// List describes the stores to users.
func (f *Stores) List() []StoreInfo {
	out := make([]StoreInfo, len(f.s.stores))
	for i, n := range f.s.stores {
		out[i] = StoreInfo{ID: n.ID, Description: n.Description, Default: n.ID == f.s.cfg.DefaultStore, ReadOnly: n.Backend.ReadOnly()}
	}
	return out
}

// Detail describes the stores to administrators and services.
func (f *Stores) Detail(ctx context.Context) ([]StoreInfo, error) {
	if err := f.s.policy.Check(ctx, "stores_info_detail", own(ctx)); err != nil {
		return nil, err
	}
	out := f.List()
	for i, n := range f.s.stores {
		out[i].Type, out[i].Weight, out[i].Properties = n.Backend.Type(), n.Weight, n.Backend.Properties()
	}
	return out, nil
}

// checkPatience is how long a store may take to say that it is there.
const checkPatience = 20 * time.Second

// check is the upkeep that asks every store whether it is there, so that
// an operator learns of one that is away before its users do.
func (f *Stores) check(ctx context.Context) (string, error) {
	said := make([]string, len(f.s.stores))
	for i, n := range f.s.stores {
		ctx, cancel := context.WithTimeout(ctx, checkPatience)
		err := n.Backend.Check(ctx)
		cancel()
		said[i] = n.ID + " answers"
		if err != nil {
			said[i] = fmt.Sprintf("%s is away: %v", n.ID, err)
		}
		before, _ := f.s.away.Swap(n.ID, err)
		switch was, _ := before.(error); {
		case was == nil && err != nil:
			f.s.log.WarnContext(ctx, "image store is away; its images cannot be read", "store", n.ID, "error", err)
		case was != nil && err == nil:
			f.s.log.InfoContext(ctx, "image store is back", "store", n.ID)
		}
	}
	return strings.Join(said, "; "), nil
}

// States tells of each store why it could not be reached when it was last
// asked; nil if it could.
func (f *Stores) States() map[string]error {
	out := map[string]error{}
	for _, n := range f.s.stores {
		v, _ := f.s.away.Load(n.ID)
		out[n.ID], _ = v.(error)
	}
	return out
}

// Healthy tells whether the database answers and the default store can be used.
func (f *Stores) Healthy(ctx context.Context) error {
	if err := f.s.db.Ping(ctx); err != nil {
		return errs.Wrap(errs.Unavailable, err, "The database is away.")
	}
	n, _ := f.named(f.s.cfg.DefaultStore)
	return n.Backend.Check(ctx)
}

// Delete removes one copy of an image's data; the last one stays.
func (f *Stores) Delete(ctx context.Context, storeID, id string) error {
	if _, ok := f.named(storeID); !ok {
		return errs.New(errs.Conflict, "The selected store %s is not available on this node.", quotable(storeID))
	}
	_, err := f.s.Images.modify(ctx, id, "get_image_location", func(tx *store.Tx, img *Image) error {
		if err := f.s.check(ctx, "delete_image_location", img); err != nil {
			return err
		}
		if img.Status != Active {
			return errs.New(errs.Conflict, "It's not allowed to remove image data from store if image status is not 'active'")
		}
		for i, l := range img.Locations {
			if l.Store != storeID {
				continue
			}
			if len(img.Locations) == 1 {
				return errs.New(errs.Forbidden, "Cannot delete image data from the only store containing it. Consider deleting the image instead.")
			}
			return f.dropLocation(ctx, tx, img, i)
		}
		if len(img.Locations) == 1 {
			return errs.New(errs.Forbidden, "Cannot delete image data from the only store containing it. Consider deleting the image instead.")
		}
		return errs.New(errs.NotFound, "Image %s is not stored in store %s.", img.ID, storeID)
	})
	return err
}

// dropLocation takes the i-th location off the image and discards its bytes.
func (f *Stores) dropLocation(ctx context.Context, tx *store.Tx, img *Image, i int) error {
	l := img.Locations[i]
	img.Locations = append(img.Locations[:i:i], img.Locations[i+1:]...)
	return f.s.Images.discard(ctx, tx, l, img.ID)
}
