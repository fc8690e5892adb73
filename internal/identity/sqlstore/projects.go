package sqlstore

import (
	"context"
	"strings"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

type projects struct{ *table[identity.Project] }

func newProjects() projects {
	t := &table[identity.Project]{
		name: "identity_project", noun: "project", keyed: true,
		columns: []string{"id", "name", "domain_id", "parent_id", "is_domain", "enabled", "description", "path", "options", "extra"},
		fields: func(v *identity.Project) []any {
			return []any{
				&v.ID, &v.Name, &v.DomainID, &v.ParentID, &v.IsDomain, &v.Enabled, &v.Description, &v.Path,
				jsonField{&v.Options},
				jsonField{&v.Extra},
			}
		},
		taken: func(v identity.Project) string {
			if v.IsDomain {
				return "Duplicate entry found with name " + v.Name + "."
			}
			return nameInDomain(v.Name, v.DomainID)
		},
	}
	t.load = loadTags
	t.save = saveTags
	return projects{t}
}

type projectTag struct{ project, name string }

func loadTags(ctx context.Context, tx *store.Tx, rows []identity.Project) error {
	at := make(map[string]int, len(rows))
	ids := make([]string, len(rows))
	for i := range rows {
		at[rows[i].ID], ids[i] = i, rows[i].ID
		rows[i].Tags = []string{}
	}
	for part := range chunks(ids) {
		tags, err := store.Find(ctx, tx, func(r store.Row) (projectTag, error) {
			var t projectTag
			err := r.Scan(&t.project, &t.name)
			return t, err
		}, store.Among(store.Select("SELECT project_id, name FROM identity_project_tag"), "project_id", part).OrderBy("project_id, name"))
		if err != nil {
			return err
		}
		for _, t := range tags {
			p := &rows[at[t.project]]
			p.Tags = append(p.Tags, t.name)
		}
	}
	return nil
}

func saveTags(ctx context.Context, tx *store.Tx, p identity.Project) error {
	if p.Tags == nil {
		return nil
	}
	return setTags(ctx, tx, p.ID, p.Tags)
}

func setTags(ctx context.Context, tx *store.Tx, id string, tags []string) error {
	if _, err := tx.Exec(ctx, "DELETE FROM identity_project_tag WHERE project_id = ?", id); err != nil {
		return err
	}
	for _, tag := range tags {
		if _, err := tx.Exec(ctx, "INSERT INTO identity_project_tag (project_id, name) VALUES (?, ?) ON CONFLICT DO NOTHING", id, tag); err != nil {
			return err
		}
	}
	return nil
}

// SetTags replaces a project's tags.
func (projects) SetTags(ctx context.Context, tx *store.Tx, id string, tags []string) error {
	return setTags(ctx, tx, id, tags)
}

// List is the table's, with the filters on tags.
func (p projects) List(ctx context.Context, tx *store.Tx, q identity.Query) ([]identity.Project, error) {
	sel := store.Select(p.sel())
	const having = "identity_project.id IN (SELECT project_id FROM identity_project_tag WHERE name = ?)"
	for _, m := range q.Where {
		names, _ := m.Value.([]string)
		conds := make([]string, len(names))
		args := make([]any, len(names))
		for i, n := range names {
			conds[i], args[i] = having, n
		}
		if len(names) == 0 {
			continue
		}
		switch m.Op {
		case identity.TagsAll:
			sel.Where(strings.Join(conds, " AND "), args...)
		case identity.TagsAny:
			sel.Where(strings.Join(conds, " OR "), args...)
		case identity.TagsNotAll:
			sel.Where("NOT ("+strings.Join(conds, " AND ")+")", args...)
		case identity.TagsNotAny:
			sel.Where("NOT ("+strings.Join(conds, " OR ")+")", args...)
		}
	}
	return p.find(ctx, tx, sel, q)
}

// ByName finds a project by its domain and name.
func (p projects) ByName(ctx context.Context, tx *store.Tx, domainID, name string) (identity.Project, error) {
	return p.named(ctx, tx, "domain_id", domainID, name)
}

// Ancestors reads the path's rows, the domain first.
func (p projects) Ancestors(ctx context.Context, tx *store.Tx, of identity.Project) ([]identity.Project, error) {
	ids := strings.Split(strings.TrimSuffix(of.Path, "/"), "/")
	ids = ids[:len(ids)-1]
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := p.List(ctx, tx, identity.Query{Where: []identity.Match{{Field: "id", Op: identity.In, Value: ids}}})
	if err != nil {
		return nil, err
	}
	byID := map[string]identity.Project{}
	for _, r := range rows {
		byID[r.ID] = r
	}
	out := make([]identity.Project, 0, len(ids))
	for _, id := range ids {
		if r, ok := byID[id]; ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// Subtree finds everything whose path begins with the project's.
func (p projects) Subtree(ctx context.Context, tx *store.Tx, of identity.Project) ([]identity.Project, error) {
	// "0" follows "/" in ASCII: the range holds exactly the longer paths.
	return p.find(ctx, tx, store.Select(p.sel()).Where("path > ? AND path < ?", of.Path, strings.TrimSuffix(of.Path, "/")+"0"), identity.Query{})
}

// chunks cuts a list of ids into parts that a statement can carry.
func chunks(ids []string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		const size = 500
		for len(ids) > 0 {
			n := min(size, len(ids))
			if !yield(ids[:n]) {
				return
			}
			ids = ids[n:]
		}
	}
}
