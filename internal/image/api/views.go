package api

import (
	"context"
	"maps"
	"slices"
	"strings"

	"kumoi/internal/image"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// viewImages returns what writes an image as its clients know it: with its
// locations where the cloud shows them at all and the actor may see them.
// Properties stand beside the attributes and cannot hide them.
func (a *api) viewImages(ctx context.Context, _ *httpx.Request, _ []*image.Image) (func(*rest.Writer, *image.Image), error) {
	return func(w *rest.Writer, img *image.Image) {
		for _, name := range slices.Sorted(maps.Keys(img.Properties)) {
			if !image.IsAttribute(name) {
				w.Text(name, img.Properties[name])
			}
		}
		viewImage(w, img)
		if a.svc.Locations.Shown(ctx, img) {
			viewLocations(w, "locations", img.Locations)
		}
	}, nil
}

func viewImage(w *rest.Writer, img *image.Image) {
	w.Text("id", img.ID)
	w.TextOrNull("name", img.Name)
	w.TextOrNull("owner", img.Owner)
	w.Text("status", string(img.Status))
	w.Text("visibility", string(img.Visibility))
	w.TextOrNull("container_format", img.ContainerFormat)
	w.TextOrNull("disk_format", img.DiskFormat)
	w.IntPointer("size", img.Size)
	w.IntPointer("virtual_size", img.VirtualSize)
	w.TextOrNull("checksum", img.Checksum)
	w.TextOrNull("os_hash_algo", img.HashAlgo)
	w.TextOrNull("os_hash_value", img.HashValue)
	w.Int("min_disk", img.MinDisk)
	w.Int("min_ram", img.MinRAM)
	w.Bool("protected", img.Protected)
	w.Bool("os_hidden", img.Hidden)
	w.Time("created_at", img.CreatedAt, rest.Seconds)
	w.Time("updated_at", img.UpdatedAt, rest.Seconds)
	w.Texts("tags", img.Tags)
	w.Text("self", "/v2/images/"+img.ID)
	w.Text("file", "/v2/images/"+img.ID+"/file")
	w.Text("schema", "/v2/schemas/image")
	if stores := img.Stores(); len(stores) > 0 {
		w.Text("stores", strings.Join(stores, ","))
	}
}

func viewLocations(w *rest.Writer, key string, locations []image.Location) {
	w.List(key, func() {
		for _, l := range locations {
			w.Object("", func() {
				w.Text("url", l.URL)
				if l.Metadata == nil {
					w.Object("metadata", func() {})
					return
				}
				w.Any("metadata", l.Metadata)
			})
		}
	})
}

// viewStore shows a store; administrators see how it is made, too.
func viewStore(w *rest.Writer, s image.StoreInfo, details bool) {
	w.Object("", func() {
		w.Text("id", s.ID)
		if s.Description != "" {
			w.Text("description", s.Description)
		}
		if s.Default {
			w.Text("default", "true")
		}
		if s.ReadOnly {
			w.Text("read-only", "true")
		}
		if details {
			w.Text("type", s.Type)
			w.Int("weight", int64(s.Weight))
			w.Any("properties", s.Properties)
		}
	})
}
