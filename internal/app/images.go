package app

import (
	"cmp"
	"context"

	"kumoi/internal/identity"
	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
)

// imageLimits are identity's unified limits as the image service wants them.
type imageLimits struct {
	identity *identity.Service
	region   string
}

var _ image.Limits = imageLimits{}

func (l imageLimits) Limits(ctx context.Context, tx *store.Tx, projectID string) (map[string]int64, error) {
	return l.identity.Allowances(ctx, tx, "image", l.region, projectID)
}

// imageRegions finds other regions' image services in identity's catalogue.
type imageRegions struct {
	identity *identity.Service
	db       *store.DB
	own      string
}

var _ image.Regions = imageRegions{}

func (r imageRegions) ImageEndpoint(ctx context.Context, region, iface string) (url string, local bool, err error) {
	if region == r.own {
		return "", true, nil
	}
	err = r.db.Read(ctx, func(tx *store.Tx) (err error) {
		url, err = r.identity.RegionEndpoint(ctx, tx, "image", region, cmp.Or(iface, "public"))
		return err
	})
	return url, false, err
}
