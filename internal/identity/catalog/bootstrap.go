package catalog

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Entry is a service that Kumoi itself offers. URLs are paths below the
// cloud's address; an interface that is missing gets the public URL.
type Entry struct {
	Type, Name, Description string
	Public, Internal, Admin string
}

// Bootstrap makes the region and the entries that are missing.
func (c *Catalog) Bootstrap(ctx context.Context, tx *store.Tx, region string, entries []Entry) error {
	if _, err := family.Get(ctx, tx, c.t.Regions, region); errs.Is(err, errs.NotFound) {
		err = c.t.Regions.Insert(ctx, tx, &Region{ID: region})
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := c.bootstrapEntry(ctx, tx, region, entry); err != nil {
			return err
		}
	}
	return c.b.Changed(ctx, tx, family.CatalogTag)
}

func (c *Catalog) bootstrapEntry(ctx context.Context, tx *store.Tx, region string, entry Entry) error {
	found, err := family.Find(ctx, tx, c.t.Services, store.Eq("type", entry.Type), store.Eq("name", entry.Name))
	if err != nil {
		return err
	}
	var svc Service
	if len(found) > 0 {
		svc = found[0]
	} else {
		svc = Service{ID: ids.NewHex(), Type: entry.Type, Name: entry.Name, Description: entry.Description, Enabled: true}
		if err := c.t.Services.Insert(ctx, tx, &svc); err != nil {
			return err
		}
	}
	have, err := family.Find(ctx, tx, c.t.Endpoints, store.Eq("service_id", svc.ID), store.Eq("region_id", region))
	if err != nil {
		return err
	}
	for iface, url := range map[string]string{"public": entry.Public, "internal": entry.Internal, "admin": entry.Admin} {
		if url == "" {
			url = entry.Public
		}
		if err := c.bootstrapEndpoint(ctx, tx, have, Endpoint{ID: ids.NewHex(), ServiceID: svc.ID, RegionID: region, Interface: iface, URL: url, Enabled: true}); err != nil {
			return err
		}
	}
	return nil
}

// bootstrapEndpoint adds an endpoint, or follows a path that moved in a newer
// version; one that an operator gave a full URL is his.
func (c *Catalog) bootstrapEndpoint(ctx context.Context, tx *store.Tx, have []Endpoint, want Endpoint) error {
	for _, e := range have {
		if e.Interface != want.Interface {
			continue
		}
		if e.URL == want.URL || e.URL == "" || e.URL[0] != '/' {
			return nil
		}
		e.URL = want.URL
		return c.t.Endpoints.Update(ctx, tx, &e)
	}
	return c.t.Endpoints.Insert(ctx, tx, &want)
}
