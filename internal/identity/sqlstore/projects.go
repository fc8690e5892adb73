package sqlstore

import (
	"context"
	"strings"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/store"
)

func projects() *store.Table[identity.Project] {
	return worded("project", store.NewTable("identity_project", func(v *identity.Project, c *store.Columns) {
		c.Key("id", &v.ID)
		name(c, &v.Name)
		c.Text("domain_id", &v.DomainID)
		c.Text("parent_id", &v.ParentID)
		c.Bool("is_domain", &v.IsDomain)
		c.Bool("enabled", &v.Enabled)
		c.Text("description", &v.Description)
		c.Text("path", &v.Path)
		c.JSON("options", &v.Options)
		c.JSON("extra", &v.Extra)
	}).
		Set("tags", store.SQL("identity_project.id IN (SELECT t.project_id FROM identity_project_tag t WHERE t.name = ?)")).
		Then(loadTags).Beside(saveTags),
		func(v *identity.Project) string {
			if v.IsDomain {
				return "Duplicate entry found with name " + v.Name + "."
			}
			return nameInDomain(v.Name, v.DomainID)
		})
}

type projectTag struct{ project, name string }

func loadTags(ctx context.Context, tx *store.Tx, rows []*identity.Project) error {
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
			p := rows[at[t.project]]
			p.Tags = append(p.Tags, t.name)
		}
	}
	return nil
}

func saveTags(ctx context.Context, tx *store.Tx, p *identity.Project) error {
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

// projectTree reads rows of projects by their paths.
type projectTree struct{ *store.Table[identity.Project] }

// SetTags replaces a project's tags.
func (projectTree) SetTags(ctx context.Context, tx *store.Tx, id string, tags []string) error {
	return setTags(ctx, tx, id, tags)
}

// Ancestors reads the path's rows, the domain first.
func (p projectTree) Ancestors(ctx context.Context, tx *store.Tx, of identity.Project) ([]identity.Project, error) {
	ids := strings.Split(strings.TrimSuffix(of.Path, "/"), "/")
	ids = ids[:len(ids)-1]
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := p.All(ctx, tx, store.In("id", ids))
	if err != nil {
		return nil, err
	}
	byID := map[string]*identity.Project{}
	for _, r := range rows {
		byID[r.ID] = r
	}
	out := make([]identity.Project, 0, len(ids))
	for _, id := range ids {
		if r, ok := byID[id]; ok {
			out = append(out, *r)
		}
	}
	return out, nil
}

// Subtree finds everything whose path begins with the project's.
func (p projectTree) Subtree(ctx context.Context, tx *store.Tx, of identity.Project) ([]identity.Project, error) {
	// "0" follows "/" in ASCII: the range holds exactly the longer paths.
	rows, err := p.All(ctx, tx, store.Cond{Field: "path", Op: store.Greater, Value: of.Path}, store.Cond{Field: "path", Op: store.Less, Value: strings.TrimSuffix(of.Path, "/") + "0"})
	out := make([]identity.Project, len(rows))
	for i, r := range rows {
		out[i] = *r
	}
	return out, err
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
