package api

import (
	"time"

	"kumoi/internal/image"
)

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// orNull is null in place of an empty text.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func orNullSize(n *int64) any {
	if n == nil {
		return nil
	}
	return *n
}

// viewImage is an image as its clients know it. Properties stand beside the
// attributes and cannot hide them.
func viewImage(img *image.Image, locations bool) map[string]any {
	v := make(map[string]any, 28+len(img.Properties))
	for name, value := range img.Properties {
		v[name] = value
	}
	v["id"] = img.ID
	v["name"] = orNull(img.Name)
	v["owner"] = orNull(img.Owner)
	v["status"] = img.Status
	v["visibility"] = img.Visibility
	v["container_format"] = orNull(img.ContainerFormat)
	v["disk_format"] = orNull(img.DiskFormat)
	v["size"] = orNullSize(img.Size)
	v["virtual_size"] = orNullSize(img.VirtualSize)
	v["checksum"] = orNull(img.Checksum)
	v["os_hash_algo"] = orNull(img.HashAlgo)
	v["os_hash_value"] = orNull(img.HashValue)
	v["min_disk"] = img.MinDisk
	v["min_ram"] = img.MinRAM
	v["protected"] = img.Protected
	v["os_hidden"] = img.Hidden
	v["created_at"] = stamp(img.CreatedAt)
	v["updated_at"] = stamp(img.UpdatedAt)
	v["tags"] = img.Tags
	v["self"] = "/v2/images/" + img.ID
	v["file"] = "/v2/images/" + img.ID + "/file"
	v["schema"] = "/v2/schemas/image"
	if stores := img.Stores(); len(stores) > 0 {
		v["stores"] = join(stores)
	}
	if locations {
		v["locations"] = viewLocations(img.Locations)
	}
	return v
}

func viewLocations(locations []image.Location) []map[string]any {
	list := []map[string]any{}
	for _, l := range locations {
		meta := l.Metadata
		if meta == nil {
			meta = map[string]any{}
		}
		list = append(list, map[string]any{"url": l.URL, "metadata": meta})
	}
	return list
}

func viewStore(s image.StoreInfo) map[string]any {
	v := map[string]any{"id": s.ID}
	if s.Description != "" {
		v["description"] = s.Description
	}
	if s.Default {
		v["default"] = "true"
	}
	if s.ReadOnly {
		v["read-only"] = "true"
	}
	return v
}
