package image

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// StoreInfo describes a store; the second half is for administrators.
type StoreInfo struct {
	ID, Description   string
	Default, ReadOnly bool
	Type              string
	Weight            int
	Properties        map[string]any
}

// Stores describes the stores to users.
func (s *Service) Stores() []StoreInfo {
	out := make([]StoreInfo, len(s.stores))
	for i, n := range s.stores {
		out[i] = StoreInfo{ID: n.ID, Description: n.Description, Default: n.ID == s.cfg.DefaultStore, ReadOnly: n.Backend.ReadOnly()}
	}
	return out
}

// StoresDetail describes the stores to administrators and services.
func (s *Service) StoresDetail(ctx context.Context) ([]StoreInfo, error) {
	if err := s.policy.Check(ctx, "stores_info_detail", own(ctx)); err != nil {
		return nil, err
	}
	out := s.Stores()
	for i, n := range s.stores {
		out[i].Type, out[i].Weight, out[i].Properties = n.Backend.Type(), n.Weight, n.Backend.Properties()
	}
	return out, nil
}

// checkPatience is how long a store may take to say that it is there.
const checkPatience = 20 * time.Second

// checkStores is the upkeep that asks every store whether it is there, so that
// an operator learns of one that is away before its users do.
func (s *Service) checkStores(ctx context.Context) (string, error) {
	said := make([]string, len(s.stores))
	for i, n := range s.stores {
		ctx, cancel := context.WithTimeout(ctx, checkPatience)
		err := n.Backend.Check(ctx)
		cancel()
		said[i] = n.ID + " answers"
		if err != nil {
			said[i] = fmt.Sprintf("%s is away: %v", n.ID, err)
		}
		before, _ := s.away.Swap(n.ID, err)
		switch was, _ := before.(error); {
		case was == nil && err != nil:
			s.log.WarnContext(ctx, "image store is away; its images cannot be read", "store", n.ID, "error", err)
		case was != nil && err == nil:
			s.log.InfoContext(ctx, "image store is back", "store", n.ID)
		}
	}
	return strings.Join(said, "; "), nil
}

// StoreStates tells of each store why it could not be reached when it was last
// asked; nil if it could.
func (s *Service) StoreStates() map[string]error {
	out := map[string]error{}
	for _, n := range s.stores {
		v, _ := s.away.Load(n.ID)
		out[n.ID], _ = v.(error)
	}
	return out
}

// Healthy tells whether the database answers and the default store can be used.
func (s *Service) Healthy(ctx context.Context) error {
	if err := s.db.Ping(ctx); err != nil {
		return errs.Wrap(errs.Unavailable, err, "The database is away.")
	}
	n, _ := s.named(s.cfg.DefaultStore)
	return n.Backend.Check(ctx)
}

// DeleteFromStore removes one copy of an image's data; the last one stays.
func (s *Service) DeleteFromStore(ctx context.Context, storeID, id string) error {
	if _, ok := s.named(storeID); !ok {
		return errs.New(errs.Conflict, "The selected store %s is not available on this node.", quotable(storeID))
	}
	_, err := s.modify(ctx, id, "get_image_location", func(tx *store.Tx, img *Image) error {
		if err := s.check(ctx, "delete_image_location", img); err != nil {
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
			return s.dropLocation(ctx, tx, img, i)
		}
		if len(img.Locations) == 1 {
			return errs.New(errs.Forbidden, "Cannot delete image data from the only store containing it. Consider deleting the image instead.")
		}
		return errs.New(errs.NotFound, "Image %s is not stored in store %s.", img.ID, storeID)
	})
	return err
}

// dropLocation takes the i-th location off the image and discards its bytes.
func (s *Service) dropLocation(ctx context.Context, tx *store.Tx, img *Image, i int) error {
	l := img.Locations[i]
	img.Locations = append(img.Locations[:i:i], img.Locations[i+1:]...)
	return s.discard(ctx, tx, l, img.ID)
}
