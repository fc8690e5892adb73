package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

const imageColumns = `i.id, i.name, i.owner, i.status, i.visibility, i.container_format, i.disk_format,
	i.size, i.virtual_size, i.checksum, i.os_hash_algo, i.os_hash_value, i.min_disk, i.min_ram,
	i.protected, i.os_hidden, i.created_at, i.updated_at, i.generation, COALESCE(m.member_id, '')`

// from joins the membership of one project, its only argument.
const imageFrom = " FROM image i LEFT JOIN image_member m ON m.image_id = i.id AND m.member_id = ?"

func scanImage(r store.Row) (*image.Image, error) {
	var img image.Image
	var size, virtual, created, updated int64
	err := r.Scan(&img.ID, &img.Name, &img.Owner, &img.Status, &img.Visibility, &img.ContainerFormat, &img.DiskFormat,
		&size, &virtual, &img.Checksum, &img.HashAlgo, &img.HashValue, &img.MinDisk, &img.MinRAM,
		&img.Protected, &img.Hidden, &created, &updated, &img.Generation, &img.MemberID)
	if size >= 0 {
		img.Size = &size
	}
	if virtual >= 0 {
		img.VirtualSize = &virtual
	}
	img.CreatedAt, img.UpdatedAt = store.Time(created), store.Time(updated)
	return &img, err
}

func orUnknown(n *int64) int64 {
	if n == nil {
		return -1
	}
	return *n
}

// CreateImage adds an image with all that belongs to it.
func (s Store) CreateImage(ctx context.Context, tx *store.Tx, img *image.Image) error {
	// One query, so that an image is seen either here or there while it is deleted.
	taken, err := store.One(ctx, tx, store.Value[int64], `SELECT
		(SELECT COUNT(*) FROM image WHERE id = ?) + (SELECT COUNT(*) FROM image_deleted WHERE id = ?)`, img.ID, strings.ToLower(img.ID))
	if err != nil {
		return err
	}
	if taken > 0 {
		return errs.New(errs.Exists, "Image ID %s already exists!", img.ID)
	}
	_, err = tx.Exec(ctx, `INSERT INTO image (id, name, owner, status, visibility, container_format, disk_format,
		size, virtual_size, checksum, os_hash_algo, os_hash_value, min_disk, min_ram, protected, os_hidden,
		created_at, updated_at, generation) VALUES (`+marks(19)+")",
		img.ID, img.Name, img.Owner, img.Status, img.Visibility, img.ContainerFormat, img.DiskFormat,
		orUnknown(img.Size), orUnknown(img.VirtualSize), img.Checksum, img.HashAlgo, img.HashValue,
		img.MinDisk, img.MinRAM, img.Protected, img.Hidden,
		store.Micros(img.CreatedAt), store.Micros(img.UpdatedAt), img.Generation)
	if err != nil {
		return err
	}
	return s.addParts(ctx, tx, img)
}

// Image returns one image with all that belongs to it.
func (s Store) Image(ctx context.Context, tx *store.Tx, id, project string) (*image.Image, error) {
	img, err := store.One(ctx, tx, scanImage, "SELECT "+imageColumns+imageFrom+" WHERE i.id = ?", project, id)
	if err != nil {
		return nil, err
	}
	return img, s.loadParts(ctx, tx, []*image.Image{img})
}

// SaveImage writes the record if nobody changed it since it was read.
func (s Store) SaveImage(ctx context.Context, tx *store.Tx, img *image.Image) error {
	n, err := tx.Exec(ctx, `UPDATE image SET name = ?, owner = ?, status = ?, visibility = ?, container_format = ?,
		disk_format = ?, size = ?, virtual_size = ?, checksum = ?, os_hash_algo = ?, os_hash_value = ?,
		min_disk = ?, min_ram = ?, protected = ?, os_hidden = ?, updated_at = ?, generation = generation + 1
		WHERE id = ? AND generation = ?`,
		img.Name, img.Owner, img.Status, img.Visibility, img.ContainerFormat,
		img.DiskFormat, orUnknown(img.Size), orUnknown(img.VirtualSize), img.Checksum, img.HashAlgo, img.HashValue,
		img.MinDisk, img.MinRAM, img.Protected, img.Hidden, store.Micros(img.UpdatedAt), img.ID, img.Generation)
	if err != nil {
		return err
	}
	if n == 0 {
		if _, err := s.Image(ctx, tx, img.ID, ""); err != nil {
			return err
		}
		return errs.New(errs.Conflict, "The image %s was changed by somebody else meanwhile.", img.ID)
	}
	img.Generation++
	for _, table := range []string{"image_property", "image_tag", "image_location"} {
		if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE image_id = ?", img.ID); err != nil {
			return err
		}
	}
	return s.addParts(ctx, tx, img)
}

// DeleteImage removes the record and all that belongs to it. Its id stays taken.
func (s Store) DeleteImage(ctx context.Context, tx *store.Tx, id string) error {
	if err := tx.ExecOne(ctx, "DELETE FROM image WHERE id = ?", id); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO image_deleted (id) VALUES (?)", strings.ToLower(id))
	return err
}

func (s Store) addParts(ctx context.Context, tx *store.Tx, img *image.Image) error {
	for _, name := range slices.Sorted(maps.Keys(img.Properties)) {
		if _, err := tx.Exec(ctx, "INSERT INTO image_property (image_id, name, value) VALUES (?, ?, ?)",
			img.ID, name, img.Properties[name]); err != nil {
			return err
		}
	}
	for _, tag := range img.Tags {
		if _, err := tx.Exec(ctx, "INSERT INTO image_tag (image_id, value) VALUES (?, ?)", img.ID, tag); err != nil {
			return err
		}
	}
	for i, l := range img.Locations {
		meta, err := json.Marshal(l.Metadata)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO image_location (id, image_id, position, store, url, metadata, status)
			VALUES (?, ?, ?, ?, ?, ?, ?)`, l.ID, img.ID, i, l.Store, l.URL, string(meta), l.Status); err != nil {
			return err
		}
	}
	return nil
}

// loadParts reads properties, tags and locations of a page of images, one query each.
func (s Store) loadParts(ctx context.Context, tx *store.Tx, images []*image.Image) error {
	if len(images) == 0 {
		return nil
	}
	byID := make(map[string]*image.Image, len(images))
	ids := make([]string, len(images))
	for i, img := range images {
		img.Properties, img.Tags = map[string]string{}, []string{}
		byID[img.ID], ids[i] = img, img.ID
	}
	none := func(r store.Row) (struct{}, error) { return struct{}{}, nil }
	in := " WHERE image_id IN (" + marks(len(ids)) + ") ORDER BY "
	parts := []struct {
		query string
		scan  func(store.Row) (struct{}, error)
	}{
		{"SELECT image_id, name, value FROM image_property" + in + "name", func(r store.Row) (struct{}, error) {
			var id, name, value string
			if err := r.Scan(&id, &name, &value); err != nil {
				return struct{}{}, err
			}
			byID[id].Properties[name] = value
			return none(r)
		}},
		{"SELECT image_id, value FROM image_tag" + in + "value", func(r store.Row) (struct{}, error) {
			var id, value string
			if err := r.Scan(&id, &value); err != nil {
				return struct{}{}, err
			}
			byID[id].Tags = append(byID[id].Tags, value)
			return none(r)
		}},
		{"SELECT image_id, id, store, url, metadata, status FROM image_location" + in + "position", func(r store.Row) (struct{}, error) {
			var id, meta string
			var l image.Location
			if err := r.Scan(&id, &l.ID, &l.Store, &l.URL, &meta, &l.Status); err != nil {
				return struct{}{}, err
			}
			if err := json.Unmarshal([]byte(meta), &l.Metadata); err != nil {
				return struct{}{}, fmt.Errorf("metadata of location %s: %w", l.ID, err)
			}
			byID[id].Locations = append(byID[id].Locations, l)
			return none(r)
		}},
	}
	for _, p := range parts {
		if _, err := store.All(ctx, tx, p.scan, p.query, anys(ids)...); err != nil {
			return err
		}
	}
	return nil
}
