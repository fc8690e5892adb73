package catalog

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

func (c *Catalog) regions() *family.Family[Region] {
	return &family.Family[Region]{
		Base: c.b, Table: c.t.Regions, Noun: "region", Plural: "regions", Tag: family.CatalogTag,
		ID: func(v *Region) *string { return &v.ID }, Valid: c.validRegion, Gone: c.removeRegion,
	}
}

func (c *Catalog) validRegion(ctx context.Context, tx *store.Tx, v, _ *Region) error {
	for parent := v.ParentID; parent != ""; {
		if parent == v.ID {
			return errs.New(errs.Invalid, "Region %s cannot be its own ancestor.", v.ID)
		}
		p, err := family.Get(ctx, tx, c.t.Regions, parent)
		if err != nil {
			return err
		}
		parent = p.ParentID
	}
	return nil
}

func (c *Catalog) removeRegion(ctx context.Context, tx *store.Tx, v *Region) error {
	children, err := c.t.Regions.All(ctx, tx, store.Eq("parent_id", v.ID))
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := c.removeRegion(ctx, tx, child); err != nil {
			return err
		}
		if err := c.t.Regions.Delete(ctx, tx, child.ID); err != nil {
			return err
		}
	}
	used, err := c.t.Endpoints.Any(ctx, tx, store.Eq("region_id", v.ID))
	if err == nil && used {
		err = errs.New(errs.Forbidden, "Unable to delete region %s because it or its child regions have associated endpoints.", v.ID)
	}
	return err
}

// EnsureRegion makes a region that an endpoint names by the old key "region".
func (c *Catalog) EnsureRegion(ctx context.Context, rule, id string) error {
	if err := c.b.Check(ctx, rule, policy.Target{}); err != nil {
		return err
	}
	return c.b.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := family.Get(ctx, tx, c.t.Regions, id)
		if errs.Is(err, errs.NotFound) {
			err = c.t.Regions.Insert(ctx, tx, &Region{ID: id})
		}
		return err
	})
}

// Has refuses a service and a region, unless it is "", that the catalogue does not have.
func (c *Catalog) Has(ctx context.Context, tx *store.Tx, serviceID, regionID string) error {
	if _, err := family.Get(ctx, tx, c.t.Services, serviceID); err != nil {
		return family.AsInvalid(err, "service_id", serviceID)
	}
	if regionID == "" {
		return nil
	}
	_, err := family.Get(ctx, tx, c.t.Regions, regionID)
	return family.AsInvalid(err, "region_id", regionID)
}

// ServicesOf lists the ids of the services of a type.
func (c *Catalog) ServicesOf(ctx context.Context, tx *store.Tx, serviceType string) ([]string, error) {
	rows, err := c.t.Services.All(ctx, tx, store.Eq("type", serviceType))
	out := make([]string, len(rows))
	for i, s := range rows {
		out[i] = s.ID
	}
	return out, err
}
