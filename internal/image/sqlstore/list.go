package sqlstore

import (
	"context"
	"strings"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// columns are the attributes one may filter and sort by.
var columns = map[string]string{
	"id": "i.id", "name": "i.name", "owner": "i.owner", "status": "i.status", "visibility": "i.visibility",
	"container_format": "i.container_format", "disk_format": "i.disk_format", "size": "i.size",
	"virtual_size": "i.virtual_size", "checksum": "i.checksum", "os_hash_algo": "i.os_hash_algo",
	"os_hash_value": "i.os_hash_value", "min_disk": "i.min_disk", "min_ram": "i.min_ram",
	"protected": "i.protected", "os_hidden": "i.os_hidden", "created_at": "i.created_at", "updated_at": "i.updated_at",
}

var operators = map[string]string{"eq": " = ?", "neq": " <> ?", "gt": " > ?", "gte": " >= ?", "lt": " < ?", "lte": " <= ?"}

// Images returns one page of images.
func (s Store) Images(ctx context.Context, tx *store.Tx, q image.Query) ([]*image.Image, error) {
	sel := store.Select("SELECT "+imageColumns+imageFrom, q.Project).Limit(q.Limit)
	scope(sel, q, tx.Dialect())
	for _, f := range q.Filters {
		if err := filter(sel, f); err != nil {
			return nil, err
		}
	}
	for _, tag := range q.Tags {
		sel.Where("EXISTS (SELECT 1 FROM image_tag t WHERE t.image_id = i.id AND t.value = ?)", tag)
	}
	if err := order(sel, q); err != nil {
		return nil, err
	}
	images, err := store.Find(ctx, tx, scanImage, sel)
	if err != nil {
		return nil, err
	}
	return images, s.loadParts(ctx, tx, images)
}

// scope adds what the project may see of what the visibility asks for.
func scope(sel *store.Selection, q image.Query, dialect store.Dialect) {
	if q.Everything {
		switch q.Visibility {
		case "all":
		case "":
			sel.Where("i.visibility <> 'community' OR i.owner = ?", q.Project)
		default:
			sel.Where("i.visibility = ?", q.Visibility)
		}
		return
	}
	// The list is to be read in its own order until the page is full. SQLite
	// would rather gather all that each of these conditions finds by an index,
	// and sort that; the empty texts keep it from doing so.
	owner, visibility := "i.owner", "i.visibility"
	if dialect == store.SQLite {
		owner, visibility = "i.owner || ''", "i.visibility || ''"
	}
	shared, args := "m.member_id IS NOT NULL", []any{}
	if q.MemberStatus != "all" {
		shared, args = "m.status = ?", append(args, q.MemberStatus)
	}
	switch q.Visibility {
	case "", "all":
		cond := owner + " = ? OR " + visibility + " = 'public' OR (" + visibility + " = 'shared' AND " + shared + ")"
		if q.Visibility == "all" {
			cond += " OR " + visibility + " = 'community'"
		}
		sel.Where(cond, append([]any{q.Project}, args...)...)
	case image.Shared:
		sel.Where("i.visibility = 'shared' AND ("+owner+" = ? OR "+shared+")", append([]any{q.Project}, args...)...)
	case image.Private:
		sel.Where("i.visibility = 'private' AND i.owner = ?", q.Project)
	default:
		sel.Where("i.visibility = ?", q.Visibility)
	}
}

func filter(sel *store.Selection, f image.Filter) error {
	if f.Property {
		sel.Where("EXISTS (SELECT 1 FROM image_property p WHERE p.image_id = i.id AND p.name = ? AND p.value = ?)", f.Field, f.Values[0])
		return nil
	}
	col, ok := columns[f.Field]
	if !ok {
		return errs.New(errs.Invalid, "Images cannot be filtered by %q.", f.Field)
	}
	if f.Op == "in" {
		store.Among(sel, col, f.Values)
		return nil
	}
	op, ok := operators[f.Op]
	if !ok {
		return errs.New(errs.Invalid, "Unable to filter by unknown operator '%s'.", f.Op)
	}
	sel.Where(col+op, f.Values[0])
	return nil
}

// order sorts by the wanted keys, then by age and id so that the order is
// total, and starts behind the marker.
func order(sel *store.Selection, q image.Query) error {
	keys := q.Sort
	for _, last := range []string{"created_at", "id"} {
		if !sortsBy(keys, last) {
			keys = append(keys[:len(keys):len(keys)], image.SortKey{Field: last, Desc: len(keys) == 0 || keys[0].Desc})
		}
	}
	fields := make([]keyset, len(keys))
	for n, k := range keys {
		col, ok := columns[k.Field]
		if !ok {
			return errs.New(errs.Invalid, "Invalid sort key: %s.", k.Field)
		}
		fields[n] = keyset{column: col, desc: k.Desc}
		if q.Marker != nil {
			fields[n].value = sortValue(q.Marker, k.Field)
		}
	}
	paginate(sel, fields, q.Marker != nil)
	return nil
}

// keyset is one column of an order, with its value in the last row of the page before.
type keyset struct {
	column string
	desc   bool
	value  any
}

// paginate orders by the columns, the last of which is unique, and starts
// behind the row with their values.
func paginate(sel *store.Selection, fields []keyset, marked bool) {
	terms := make([]string, len(fields))
	var behind []string
	var equal string
	var behindArgs, equalArgs []any
	for n, f := range fields {
		terms[n] = f.column
		cmp := " > ?"
		if f.desc {
			terms[n] += " DESC"
			cmp = " < ?"
		}
		behind = append(behind, "("+equal+f.column+cmp+")")
		behindArgs = append(append(behindArgs, equalArgs...), f.value)
		equal += f.column + " = ? AND "
		equalArgs = append(equalArgs, f.value)
	}
	if marked && sameDirection(fields) {
		// As one comparison of rows, which an index can begin at.
		columns := make([]string, len(fields))
		for i, f := range fields {
			columns[i] = f.column
		}
		cmp := " > "
		if fields[0].desc {
			cmp = " < "
		}
		sel.Where("("+strings.Join(columns, ", ")+")"+cmp+"("+marks(len(fields))+")", equalArgs...)
	} else if marked {
		sel.Where(strings.Join(behind, " OR "), behindArgs...)
	}
	sel.OrderBy(strings.Join(terms, ", "))
}

func sameDirection(fields []keyset) bool {
	for _, f := range fields {
		if f.desc != fields[0].desc {
			return false
		}
	}
	return true
}

func sortsBy(keys []image.SortKey, field string) bool {
	for _, k := range keys {
		if k.Field == field {
			return true
		}
	}
	return false
}

// sortValue is the marker's value of a sort key, as it is stored.
func sortValue(img *image.Image, field string) any {
	switch field {
	case "name":
		return img.Name
	case "status":
		return img.Status
	case "container_format":
		return img.ContainerFormat
	case "disk_format":
		return img.DiskFormat
	case "size":
		return orUnknown(img.Size)
	case "created_at":
		return store.Micros(img.CreatedAt)
	case "updated_at":
		return store.Micros(img.UpdatedAt)
	default:
		return img.ID
	}
}
