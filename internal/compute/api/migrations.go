package api

import (
	"context"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

// migrationRoutes are /os-migrations.
func (a *api) migrationRoutes() []httpx.Route {
	c := rest.Resource[compute.Migration, struct{}, struct{}]{
		Path: "/v2.1/os-migrations", Many: "migrations", Rule: familyRule("os-migrations"), Query: migrationList, List: a.svc.Migrations.List,
		ID: func(m *compute.Migration) string { return m.UUID },
		View: func(_ context.Context, r *httpx.Request, _ []*compute.Migration) (func(*rest.Writer, *compute.Migration), error) {
			return func(w *rest.Writer, m *compute.Migration) { viewMigration(w, r, m) }, nil
		},
	}
	return c.Routes()
}

// migrationList is what the list can be asked; there are pages and times since 2.59.
var migrationList = &rest.List{
	Dialect: strictSince(59),
	Paged:   func(r *httpx.Request) bool { return r.AtLeast(2, 59) }, Sort: []store.Sort{{Field: "id", Desc: true}},
	More: changes(59),
	Fields: append([]rest.Field{
		given("instance_uuid", "server_id", nil), given("status", "status", nil), given("migration_type", "type", nil),
		given("source_compute", "source_host", nil), newer(80, given("user_id", "user_id", nil)), newer(80, given("project_id", "project_id", nil)),
		{Name: "host", NoSort: true, Filter: func(v []string) ([]store.Cond, error) {
			if v[0] == "" {
				return nil, nil
			}
			return []store.Cond{store.Or(store.Eq("source_host", v[0]), store.Eq("dest_host", v[0]))}, nil
		}},
		{Name: "hidden", NoSort: true, Filter: func(v []string) ([]store.Cond, error) { // none is
			hidden, known := httpx.ParseBool(v[0])
			switch {
			case !known:
				return nil, bad("Invalid input for query parameters hidden. Value: %s. It is not a boolean", v[0])
			case hidden:
				return []store.Cond{store.In("uuid", []string{})}, nil
			}
			return nil, nil
		}},
	}, changeFields(59, 66)...),
}

// newer is a field since a version.
func newer(since int, f rest.Field) rest.Field { f.Since = since; return f }

func viewMigration(w *rest.Writer, r *httpx.Request, m *compute.Migration) {
	w.Int("id", m.ID)
	w.Text("instance_uuid", m.ServerID)
	w.Text("status", m.Status)
	w.Text("source_compute", m.SourceHost)
	w.Text("source_node", m.SourceHost)
	w.Text("dest_compute", m.DestHost)
	w.Text("dest_node", m.DestHost)
	w.Null("dest_host")
	w.Null("old_instance_type_id")
	w.Null("new_instance_type_id")
	w.Time("created_at", m.CreatedAt, rest.Micros)
	w.Time("updated_at", m.UpdatedAt, rest.Micros)
	if r.AtLeast(2, 23) {
		w.Text("migration_type", m.Type)
	}
	if r.AtLeast(2, 59) {
		w.Text("uuid", m.UUID)
	}
	if r.AtLeast(2, 80) {
		w.Text("user_id", m.UserID)
		w.Text("project_id", m.ProjectID)
	}
}
