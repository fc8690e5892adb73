package app

import (
	"context"
	"net/http"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// HostImageRow is an image in a host's cache as the command line shows it; one
// without an image tells why nothing is known of its host, or that it has none.
type HostImageRow struct {
	Host, Image, Name, Format, SHA512, Error string

	Bytes, Limit int64
	Used         time.Time
	Disks        int
}

// PrefetchRequest asks for an image, by id or name, in the caches of hosts; of
// all without any.
type PrefetchRequest struct {
	Image string
	Hosts []string
}

// imageOperations are the admin socket's operations on images.
func (c *Cloud) imageOperations() {
	handle(c.admin, "POST /images/prefetch", onControl(c, func(ctx context.Context, k *control, _ *http.Request, in PrefetchRequest) (any, error) {
		img, err := k.namedImage(ctx, in.Image)
		if err != nil {
			return nil, err
		}
		done, err := k.compute.ImageCaches.Prefetch(ctx, img.ID, in.Hosts)
		rows := []HostImageRow{}
		for _, h := range done {
			rows = append(rows, HostImageRow{Host: h.Host, Image: img.ID, Name: img.Name, Error: errText(h.Err)})
		}
		return rows, err
	}))
	handle(c.admin, "GET /images/cache", onControl(c, func(ctx context.Context, k *control, r *http.Request, _ nothing) (any, error) {
		hosts, err := k.compute.ImageCaches.List(ctx, r.URL.Query()["host"])
		if err != nil {
			return nil, err
		}
		return k.cacheRows(ctx, hosts)
	}))
}

// namedImage finds an image by id, or by a name that only one has.
func (k *control) namedImage(ctx context.Context, name string) (*image.Image, error) {
	img, err := k.image.Images.Show(ctx, name)
	if !errs.Is(err, errs.NotFound) {
		return img, err
	}
	page, err := k.image.Images.List(ctx, store.Query{Limit: 2, Where: []store.Cond{store.Eq("name", name)}})
	switch {
	case err != nil:
		return nil, err
	case len(page.Rows) == 0:
		return nil, errs.New(errs.NotFound, "There is no image with the id or name %q.", name)
	case len(page.Rows) > 1:
		return nil, errs.New(errs.Conflict, "Several images are named %q; give the id of one.", name)
	}
	return page.Rows[0], nil
}

func (k *control) cacheRows(ctx context.Context, hosts []compute.HostImages) ([]HostImageRow, error) {
	rows := []HostImageRow{}
	for _, h := range hosts {
		row := HostImageRow{Host: h.Host, Error: errText(h.Err), Limit: h.Cache.Limit}
		if len(h.Cache.Images) == 0 {
			rows = append(rows, row)
		}
		for _, c := range h.Cache.Images {
			row.Image, row.Format, row.SHA512, row.Bytes, row.Used, row.Disks = c.ID, c.Format, c.SHA512, c.Bytes, c.Used, c.Disks
			row.Name = "(deleted)"
			img, err := k.image.Images.Show(ctx, c.ID)
			switch {
			case err == nil:
				row.Name = img.Name
			case !errs.Is(err, errs.NotFound):
				return nil, err
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
