package app

import (
	"context"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
)

var _ compute.ImageProxy = computeImages{}

// ListImages lists images for clients of compute's oldest versions.
func (c computeImages) ListImages(ctx context.Context, f compute.ImageFilter) ([]*compute.Image, bool, error) {
	q := store.Query{Marker: f.Marker, Limit: f.Limit}
	if f.Name != "" {
		q = q.Filter(store.Eq("name", f.Name))
	}
	if f.Status != "" {
		q = q.Filter(store.Eq("status", f.Status))
	}
	if !f.ChangedSince.IsZero() {
		q = q.Filter(store.Cond{Field: "updated_at", Op: store.GreaterEq, Value: f.ChangedSince})
	}
	if f.Type != "" {
		q = q.Filter(property("image_type", f.Type))
	}
	if f.ServerID != "" {
		q = q.Filter(property("instance_uuid", f.ServerID))
	}
	page, err := c.List(ctx, q)
	if err != nil {
		return nil, false, err
	}
	var out []*compute.Image
	for _, img := range page.Rows {
		if f.MinDiskGiB != nil && img.MinDisk < int64(*f.MinDiskGiB) || f.MinRAMMiB != nil && img.MinRAM < int64(*f.MinRAMMiB) {
			continue
		}
		out = append(out, computeImage(img))
	}
	return out, page.More, nil
}

// ChangeImageProperties sets and removes properties of an image.
func (c computeImages) ChangeImageProperties(ctx context.Context, id string, set map[string]string, remove []string) error {
	var changes []image.Change
	for k, v := range set {
		changes = append(changes, image.Change{Op: "add", Path: []string{k}, Value: v})
	}
	for _, k := range remove {
		changes = append(changes, image.Change{Op: "remove", Path: []string{k}})
	}
	if len(changes) == 0 {
		return nil
	}
	_, err := c.Update(ctx, id, changes)
	return err
}

// computeImage is an image as compute sees it.
func computeImage(img *image.Image) *compute.Image {
	out := &compute.Image{
		ID: img.ID, Name: img.Name, Status: string(img.Status), Owner: img.Owner,
		MinDiskGiB: int(img.MinDisk), MinRAMMiB: int(img.MinRAM), DiskFormat: img.DiskFormat, ContainerFormat: img.ContainerFormat,
		Properties: img.Properties, Protected: img.Protected, Visibility: string(img.Visibility),
		CreatedAt: img.CreatedAt.Format(time.RFC3339), UpdatedAt: img.UpdatedAt.Format(time.RFC3339),
	}
	if img.Size != nil {
		out.Size = *img.Size
	}
	if img.VirtualSize != nil {
		out.VirtualSize = *img.VirtualSize
	}
	if img.HashAlgo == "sha512" {
		out.SHA512 = img.HashValue
	}
	return out
}
