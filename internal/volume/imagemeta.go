package volume

import (
	"maps"
	"strconv"

	"kumoi/internal/image"
)

// imageMetadata is what a volume remembers of the image that it was made of.
func imageMetadata(img *image.Image) map[string]string {
	m := maps.Clone(img.Properties)
	if m == nil {
		m = map[string]string{}
	}
	m["image_id"], m["image_name"] = img.ID, img.Name
	m["checksum"], m["container_format"], m["disk_format"] = img.Checksum, img.ContainerFormat, img.DiskFormat
	m["min_disk"], m["min_ram"] = strconv.FormatInt(img.MinDisk, 10), strconv.FormatInt(img.MinRAM, 10)
	if img.Size != nil {
		m["size"] = strconv.FormatInt(*img.Size, 10)
	}
	return m
}
