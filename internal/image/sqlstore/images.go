package sqlstore

import (
	"context"
	"database/sql/driver"
	"fmt"

	"kumoi/internal/image"
	"kumoi/internal/kernel/store"
)

// images declares the images. What parts has is read with them.
func images(parts image.Tables) *store.Table[image.Image] {
	t := store.NewTable("image", func(v *image.Image, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("name", &v.Name)
		c.Text("owner", &v.Owner)
		c.Text("status", (*string)(&v.Status))
		c.Text("visibility", (*string)(&v.Visibility))
		c.Text("container_format", &v.ContainerFormat)
		c.Text("disk_format", &v.DiskFormat)
		c.Custom("size", store.KindInt, known{&v.Size})
		c.Custom("virtual_size", store.KindInt, known{&v.VirtualSize})
		c.Text("checksum", &v.Checksum)
		c.Text("os_hash_algo", &v.HashAlgo)
		c.Text("os_hash_value", &v.HashValue)
		c.Int64("min_disk", &v.MinDisk)
		c.Int64("min_ram", &v.MinRAM)
		c.Bool("protected", &v.Protected)
		c.Bool("os_hidden", &v.Hidden)
		c.Time("created_at", &v.CreatedAt)
		c.Time("updated_at", &v.UpdatedAt)
		c.Text("feeder", &v.Feeder)
		c.Generation("generation", &v.Generation)
	})
	// Lists are to be read in their own order until the page is full. SQLite would
	// rather gather all that each of these conditions finds by an index, and sort
	// that; the empty texts keep it from doing so.
	t.Condition("of", store.Expr{SQLite: "image.owner || '' = ?", Postgres: "image.owner = ?"})
	t.Condition("among", store.Expr{SQLite: "image.visibility || '' = ?", Postgres: "image.visibility = ?"})
	const member = " = 'shared' AND EXISTS (SELECT 1 FROM image_member m WHERE m.image_id = image.id AND m.member_id = ?"
	t.Condition("shared with", store.Expr{SQLite: "image.visibility || ''" + member + ")", Postgres: "image.visibility" + member + ")"})
	t.Condition("shared as", store.Expr{
		SQLite: "image.visibility || ''" + member + " AND m.status = ?)", Postgres: "image.visibility" + member + " AND m.status = ?)",
	})
	t.Condition("property", store.SQL("EXISTS (SELECT 1 FROM image_property p WHERE p.image_id = image.id AND p.name = ? AND p.value = ?)"))
	t.Set("tag", store.SQL("EXISTS (SELECT 1 FROM image_tag t WHERE t.image_id = image.id AND t.value = ?)"))
	return t.Then(func(ctx context.Context, tx *store.Tx, rows []*image.Image) error {
		return loadParts(ctx, tx, parts, rows)
	})
}

// loadParts reads properties, tags and locations of a page of images, one query each.
func loadParts(ctx context.Context, tx *store.Tx, parts image.Tables, rows []*image.Image) error {
	byID, ids := make(map[string]*image.Image, len(rows)), make([]string, len(rows))
	for i, img := range rows {
		img.Properties, img.Tags = map[string]string{}, []string{}
		byID[img.ID], ids[i] = img, img.ID
	}
	theirs := store.In("image_id", ids)
	properties, err := parts.Properties.All(ctx, tx, theirs)
	if err != nil {
		return err
	}
	for _, p := range properties {
		byID[p.ImageID].Properties[p.Name] = p.Value
	}
	tags, err := parts.Tags.All(ctx, tx, theirs)
	if err != nil {
		return err
	}
	for _, t := range tags {
		byID[t.ImageID].Tags = append(byID[t.ImageID].Tags, t.Value)
	}
	page, err := parts.Locations.List(ctx, tx, store.Query{Where: []store.Cond{theirs}, Sort: []store.Sort{{Field: "position"}}})
	for _, l := range page.Rows {
		byID[l.ImageID].Locations = append(byID[l.ImageID].Locations, l.Location)
	}
	return err
}

// known is a size, kept as -1 as long as it is unknown.
type known struct{ p **int64 }

func (k known) Value() (driver.Value, error) {
	if *k.p == nil {
		return int64(-1), nil
	}
	return **k.p, nil
}

func (k known) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scan %T as a size", src)
	}
	if *k.p = nil; n >= 0 {
		*k.p = &n
	}
	return nil
}

func deleted() *store.Table[image.DeletedRow] {
	return store.NewTable("image_deleted", func(v *image.DeletedRow, c *store.Columns) { c.Key("id", &v.ID) })
}

func properties() *store.Table[image.PropertyRow] {
	return store.NewTable("image_property", func(v *image.PropertyRow, c *store.Columns) {
		c.Key("image_id", &v.ImageID)
		c.Key("name", &v.Name)
		c.Text("value", &v.Value)
	})
}

func tags() *store.Table[image.TagRow] {
	return store.NewTable("image_tag", func(v *image.TagRow, c *store.Columns) {
		c.Key("image_id", &v.ImageID)
		c.Key("value", &v.Value)
	})
}

func locations() *store.Table[image.LocationRow] {
	return store.NewTable("image_location", func(v *image.LocationRow, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("image_id", &v.ImageID)
		c.Int("position", &v.Position)
		c.Text("store", &v.Store)
		c.Text("url", &v.URL)
		c.JSON("metadata", &v.Metadata)
		c.Text("status", &v.Status)
	})
}
