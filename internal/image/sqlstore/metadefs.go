package sqlstore

import (
	"context"
	"encoding/json"

	"kumoi/internal/image/metadef"
	"kumoi/internal/kernel/store"
)

// Metadefs implements metadef.Store.
type Metadefs struct{}

var _ metadef.Store = Metadefs{}

const namespaceColumns = "n.id, n.name, n.display_name, n.description, n.visibility, n.protected, n.owner, n.created_at, n.updated_at"

func scanNamespace(r store.Row) (metadef.Namespace, error) {
	var n metadef.Namespace
	var created, updated int64
	err := r.Scan(&n.ID, &n.Name, &n.DisplayName, &n.Description, &n.Visibility, &n.Protected, &n.Owner, &created, &updated)
	n.CreatedAt, n.UpdatedAt = store.Time(created), store.Time(updated)
	return n, err
}

// Namespaces returns one page of namespaces.
func (Metadefs) Namespaces(ctx context.Context, tx *store.Tx, q metadef.Query) ([]metadef.Namespace, error) {
	sel := store.Select("SELECT " + namespaceColumns + " FROM metadef_namespace n").Limit(q.Limit)
	if !q.Everything {
		sel.Where("n.visibility = 'public' OR n.owner = ?", q.Project)
	}
	if q.Visibility != "" {
		sel.Where("n.visibility = ?", q.Visibility)
	}
	if q.Owner != "" {
		sel.Where("n.owner = ?", q.Owner)
	}
	if len(q.ResourceTypes) > 0 {
		sel.Where("EXISTS (SELECT 1 FROM metadef_association a WHERE a.namespace_id = n.id AND a.resource_type IN ("+
			marks(len(q.ResourceTypes))+"))", anys(q.ResourceTypes)...)
	}
	m := q.Marker
	if m == nil {
		m = &metadef.Namespace{}
	}
	key := map[string]keyset{
		"created_at": {column: "n.created_at", value: store.Micros(m.CreatedAt)},
		"updated_at": {column: "n.updated_at", value: store.Micros(m.UpdatedAt)},
		"namespace":  {column: "n.name", value: m.Name},
	}[q.SortKey]
	key.desc = q.Desc
	paginate(sel, []keyset{key, {column: "n.id", desc: q.Desc, value: m.ID}}, q.Marker != nil)
	return store.Find(ctx, tx, scanNamespace, sel)
}

// Namespace returns one namespace by its name.
func (Metadefs) Namespace(ctx context.Context, tx *store.Tx, name string) (metadef.Namespace, error) {
	return store.One(ctx, tx, scanNamespace, "SELECT "+namespaceColumns+" FROM metadef_namespace n WHERE n.name = ?", name)
}

// AddNamespace adds a namespace.
func (Metadefs) AddNamespace(ctx context.Context, tx *store.Tx, n metadef.Namespace) error {
	_, err := tx.Exec(ctx, `INSERT INTO metadef_namespace (id, name, display_name, description, visibility, protected, owner, created_at, updated_at)
		VALUES (`+marks(9)+")", n.ID, n.Name, n.DisplayName, n.Description, n.Visibility, n.Protected, n.Owner,
		store.Micros(n.CreatedAt), store.Micros(n.UpdatedAt))
	return err
}

// SaveNamespace writes a namespace's own attributes.
func (Metadefs) SaveNamespace(ctx context.Context, tx *store.Tx, n metadef.Namespace) error {
	return tx.ExecOne(ctx, `UPDATE metadef_namespace SET name = ?, display_name = ?, description = ?, visibility = ?, protected = ?,
		owner = ?, updated_at = ? WHERE id = ?`,
		n.Name, n.DisplayName, n.Description, n.Visibility, n.Protected, n.Owner, store.Micros(n.UpdatedAt), n.ID)
}

// DeleteNamespace removes a namespace with all that it holds.
func (Metadefs) DeleteNamespace(ctx context.Context, tx *store.Tx, id string) error {
	return tx.ExecOne(ctx, "DELETE FROM metadef_namespace WHERE id = ?", id)
}

const itemColumns = "namespace_id, kind, name, body, created_at, updated_at"

func scanItem(r store.Row) (metadef.Item, error) {
	var it metadef.Item
	var body string
	var created, updated int64
	if err := r.Scan(&it.NamespaceID, &it.Kind, &it.Name, &body, &created, &updated); err != nil {
		return it, err
	}
	it.CreatedAt, it.UpdatedAt = store.Time(created), store.Time(updated)
	return it, json.Unmarshal([]byte(body), &it.Body)
}

// Items returns the items of a kind by name.
func (Metadefs) Items(ctx context.Context, tx *store.Tx, namespaceID, kind string) ([]metadef.Item, error) {
	return store.All(ctx, tx, scanItem, "SELECT "+itemColumns+" FROM metadef_item WHERE namespace_id = ? AND kind = ? ORDER BY name", namespaceID, kind)
}

// Item returns one item.
func (Metadefs) Item(ctx context.Context, tx *store.Tx, namespaceID, kind, name string) (metadef.Item, error) {
	return store.One(ctx, tx, scanItem, "SELECT "+itemColumns+" FROM metadef_item WHERE namespace_id = ? AND kind = ? AND name = ?", namespaceID, kind, name)
}

// AddItem adds an item.
func (Metadefs) AddItem(ctx context.Context, tx *store.Tx, it metadef.Item) error {
	body, err := json.Marshal(it.Body)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO metadef_item ("+itemColumns+") VALUES (?, ?, ?, ?, ?, ?)",
		it.NamespaceID, it.Kind, it.Name, string(body), store.Micros(it.CreatedAt), store.Micros(it.UpdatedAt))
	return err
}

// SaveItem writes an item under what may be a new name.
func (Metadefs) SaveItem(ctx context.Context, tx *store.Tx, name string, it metadef.Item) error {
	body, err := json.Marshal(it.Body)
	if err != nil {
		return err
	}
	return tx.ExecOne(ctx, "UPDATE metadef_item SET name = ?, body = ?, updated_at = ? WHERE namespace_id = ? AND kind = ? AND name = ?",
		it.Name, string(body), store.Micros(it.UpdatedAt), it.NamespaceID, it.Kind, name)
}

// DeleteItem removes one item.
func (Metadefs) DeleteItem(ctx context.Context, tx *store.Tx, namespaceID, kind, name string) error {
	return tx.ExecOne(ctx, "DELETE FROM metadef_item WHERE namespace_id = ? AND kind = ? AND name = ?", namespaceID, kind, name)
}

// DeleteItems removes all items of a kind.
func (Metadefs) DeleteItems(ctx context.Context, tx *store.Tx, namespaceID, kind string) error {
	_, err := tx.Exec(ctx, "DELETE FROM metadef_item WHERE namespace_id = ? AND kind = ?", namespaceID, kind)
	return err
}

// ResourceTypes returns all types by name.
func (Metadefs) ResourceTypes(ctx context.Context, tx *store.Tx) ([]metadef.ResourceType, error) {
	return store.All(ctx, tx, func(r store.Row) (metadef.ResourceType, error) {
		var t metadef.ResourceType
		var created, updated int64
		err := r.Scan(&t.Name, &created, &updated)
		t.CreatedAt, t.UpdatedAt = store.Time(created), store.Time(updated)
		return t, err
	}, "SELECT name, created_at, updated_at FROM metadef_resource_type ORDER BY name")
}

// AddResourceType adds a type.
func (Metadefs) AddResourceType(ctx context.Context, tx *store.Tx, t metadef.ResourceType) error {
	_, err := tx.Exec(ctx, "INSERT INTO metadef_resource_type (name, created_at, updated_at) VALUES (?, ?, ?)",
		t.Name, store.Micros(t.CreatedAt), store.Micros(t.UpdatedAt))
	return err
}

// Associations returns the associations of some namespaces.
func (Metadefs) Associations(ctx context.Context, tx *store.Tx, namespaceIDs ...string) ([]metadef.Association, error) {
	sel := store.Select("SELECT namespace_id, resource_type, prefix, properties_target, created_at, updated_at FROM metadef_association")
	return store.Find(ctx, tx, func(r store.Row) (metadef.Association, error) {
		var a metadef.Association
		var created, updated int64
		err := r.Scan(&a.NamespaceID, &a.ResourceType, &a.Prefix, &a.PropertiesTarget, &created, &updated)
		a.CreatedAt, a.UpdatedAt = store.Time(created), store.Time(updated)
		return a, err
	}, store.Among(sel, "namespace_id", namespaceIDs).OrderBy("resource_type"))
}

// AddAssociation adds an association.
func (Metadefs) AddAssociation(ctx context.Context, tx *store.Tx, a metadef.Association) error {
	_, err := tx.Exec(ctx, `INSERT INTO metadef_association (namespace_id, resource_type, prefix, properties_target, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?)`, a.NamespaceID, a.ResourceType, a.Prefix, a.PropertiesTarget, store.Micros(a.CreatedAt), store.Micros(a.UpdatedAt))
	return err
}

// DeleteAssociation removes an association.
func (Metadefs) DeleteAssociation(ctx context.Context, tx *store.Tx, namespaceID, resourceType string) error {
	return tx.ExecOne(ctx, "DELETE FROM metadef_association WHERE namespace_id = ? AND resource_type = ?", namespaceID, resourceType)
}

// Standard is the newest version of the standard catalogue that was put in.
func (Metadefs) Standard(ctx context.Context, tx *store.Tx) (int64, error) {
	return store.One(ctx, tx, store.Value[int64], "SELECT COALESCE(MAX(version), 0) FROM metadef_standard")
}

// SetStandard records that a version was put in.
func (Metadefs) SetStandard(ctx context.Context, tx *store.Tx, version int64) error {
	_, err := tx.Exec(ctx, "INSERT INTO metadef_standard (version) VALUES (?)", version)
	return err
}
