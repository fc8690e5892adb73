package sqlstore

import (
	"context"
	"errors"
	"strings"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

const flavorColumns = "id, name, description, vcpus, ram, disk, ephemeral, swap, rxtx, is_public, disabled, extra_specs, created_at, updated_at"

func flavorValues(f *compute.Flavor) []any {
	specs := f.ExtraSpecs
	if specs == nil {
		specs = map[string]string{}
	}
	return []any{
		f.ID, f.Name, f.Description, f.VCPUs, f.RAM, f.Disk, f.Ephemeral, f.Swap, f.RxTx,
		f.Public, f.Disabled, toJSON(specs), store.Micros(f.CreatedAt), store.Micros(f.UpdatedAt),
	}
}

func scanFlavor(r store.Row) (*compute.Flavor, error) {
	f := &compute.Flavor{}
	return f, r.Scan(&f.ID, &f.Name, &f.Description, &f.VCPUs, &f.RAM, &f.Disk, &f.Ephemeral, &f.Swap, &f.RxTx,
		&f.Public, &f.Disabled, jsonOf{&f.ExtraSpecs}, timeOf{&f.CreatedAt}, timeOf{&f.UpdatedAt})
}

// InsertFlavor adds a flavor; a taken id or name gives Exists.
func (*Store) InsertFlavor(ctx context.Context, tx *store.Tx, f *compute.Flavor) error {
	_, err := tx.Exec(ctx, "INSERT INTO compute_flavor ("+flavorColumns+") VALUES (?"+strings.Repeat(", ?", 13)+")", flavorValues(f)...)
	return err
}

// UpdateFlavor writes a flavor.
func (*Store) UpdateFlavor(ctx context.Context, tx *store.Tx, f *compute.Flavor) error {
	return tx.ExecOne(ctx, "UPDATE compute_flavor SET "+
		strings.ReplaceAll(strings.TrimPrefix(flavorColumns, "id, "), ",", " = ?,")+" = ? WHERE id = ?",
		append(flavorValues(f)[1:], f.ID)...)
}

// DeleteFlavor removes a flavor and its access list.
func (*Store) DeleteFlavor(ctx context.Context, tx *store.Tx, id string) error {
	if err := tx.ExecOne(ctx, "DELETE FROM compute_flavor WHERE id = ?", id); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM compute_flavor_access WHERE flavor_id = ?", id)
	return err
}

// Flavor finds a flavor by its id.
func (*Store) Flavor(ctx context.Context, tx *store.Tx, id string) (*compute.Flavor, error) {
	return store.One(ctx, tx, scanFlavor, "SELECT "+flavorColumns+" FROM compute_flavor WHERE id = ?", id)
}

var flavorSort = map[string]string{
	"flavorid": "id", "name": "name", "memory_mb": "ram", "root_gb": "disk", "ephemeral_gb": "ephemeral",
	"vcpus": "vcpus", "swap": "swap", "rxtx_factor": "rxtx", "disabled": "disabled", "is_public": "is_public",
	"created_at": "created_at", "updated_at": "updated_at", "id": "id", "vcpu_weight": "vcpus",
}

// Flavors lists flavors.
func (st *Store) Flavors(ctx context.Context, tx *store.Tx, f compute.FlavorFilter) ([]*compute.Flavor, error) {
	q := store.Select("SELECT " + flavorColumns + " FROM compute_flavor")
	switch {
	case f.All && f.Public != nil:
		q.Where("is_public = ?", *f.Public)
	case !f.All:
		q.Where("is_public = ? OR id IN (SELECT flavor_id FROM compute_flavor_access WHERE project_id = ?)", true, f.ProjectID)
	}
	if f.MinDisk > 0 {
		q.Where("disk >= ?", f.MinDisk)
	}
	if f.MinRAM > 0 {
		q.Where("ram >= ?", f.MinRAM)
	}
	column, ok := flavorSort[f.SortKey]
	if !ok {
		column = "id"
	}
	dir, op := "ASC", ">"
	if f.SortDir == "desc" {
		dir, op = "DESC", "<"
	}
	q.OrderBy(column + " " + dir + ", id " + dir).Limit(f.Limit)
	if f.Marker != "" {
		m, err := st.Flavor(ctx, tx, f.Marker)
		if errors.Is(err, store.ErrNoRows) {
			return nil, errs.New(errs.Invalid, "marker [%s] not found", f.Marker)
		}
		if err != nil {
			return nil, err
		}
		of := map[string]any{
			"id": m.ID, "name": m.Name, "ram": m.RAM, "disk": m.Disk, "ephemeral": m.Ephemeral, "vcpus": m.VCPUs,
			"swap": m.Swap, "rxtx": m.RxTx, "disabled": m.Disabled, "is_public": m.Public,
			"created_at": store.Micros(m.CreatedAt), "updated_at": store.Micros(m.UpdatedAt),
		}[column]
		q.Where(column+" "+op+" ? OR ("+column+" = ? AND id "+op+" ?)", of, of, m.ID)
	}
	return store.Find(ctx, tx, scanFlavor, q)
}

// FlavorAccess lists the projects that may use a private flavor.
func (*Store) FlavorAccess(ctx context.Context, tx *store.Tx, id string) ([]string, error) {
	return store.All(ctx, tx, store.Value[string],
		"SELECT project_id FROM compute_flavor_access WHERE flavor_id = ? ORDER BY project_id", id)
}

// AddFlavorAccess lets a project use a flavor; Exists if it may already.
func (*Store) AddFlavorAccess(ctx context.Context, tx *store.Tx, id, projectID string) error {
	_, err := tx.Exec(ctx, "INSERT INTO compute_flavor_access (flavor_id, project_id) VALUES (?, ?)", id, projectID)
	return err
}

// RemoveFlavorAccess takes that away; NotFound if the project had no access.
func (*Store) RemoveFlavorAccess(ctx context.Context, tx *store.Tx, id, projectID string) error {
	return tx.ExecOne(ctx, "DELETE FROM compute_flavor_access WHERE flavor_id = ? AND project_id = ?", id, projectID)
}
