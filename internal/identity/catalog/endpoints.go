package catalog

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

func (c *Catalog) services() *family.Family[Service] {
	return &family.Family[Service]{
		Base: c.b, Table: c.t.Services, Noun: "service", Plural: "services", Tag: family.CatalogTag,
		ID:    func(v *Service) *string { return &v.ID },
		Fresh: func(v *Service) { v.Enabled = true },
		Gone: func(ctx context.Context, tx *store.Tx, v *Service) error {
			// Its registered limits stay, as in Keystone: whoever made them removes them.
			_, err := c.t.Associations.DeleteWhere(ctx, tx, store.Eq("service_id", v.ID))
			return err
		},
	}
}

func (c *Catalog) endpoints() *family.Family[Endpoint] {
	return &family.Family[Endpoint]{
		Base: c.b, Table: c.t.Endpoints, Noun: "endpoint", Plural: "endpoints", Tag: family.CatalogTag, Known: true,
		ID: func(v *Endpoint) *string { return &v.ID }, Valid: c.validEndpoint,
		Fresh: func(v *Endpoint) { v.Enabled = true },
		Gone: func(ctx context.Context, tx *store.Tx, v *Endpoint) error {
			_, err := c.t.Associations.DeleteWhere(ctx, tx, store.Eq("endpoint_id", v.ID))
			return err
		},
	}
}

func (c *Catalog) validEndpoint(ctx context.Context, tx *store.Tx, v, before *Endpoint) error {
	if _, err := family.Get(ctx, tx, c.t.Services, v.ServiceID); err != nil {
		if errs.Is(err, errs.NotFound) {
			err = errs.Wrap(errs.Invalid, err, "Could not find service: %s.", v.ServiceID)
		}
		return err
	}
	if err := validTemplate(v.URL); err != nil {
		return err
	}
	if v.RegionID == "" || before != nil && before.RegionID == v.RegionID {
		return nil
	}
	_, err := family.Get(ctx, tx, c.t.Regions, v.RegionID)
	if errs.Is(err, errs.NotFound) {
		err = errs.Wrap(errs.Invalid, err, "Could not find region: %s.", v.RegionID)
	}
	return err
}
