package catalog

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Links say which projects see which endpoints and groups of them.
type Links struct{ c *Catalog }

func (c *Catalog) endpointGroups() *family.Family[EndpointGroup] {
	return &family.Family[EndpointGroup]{
		Base: c.b, Table: c.t.EndpointGroups, Noun: "endpoint_group", Plural: "endpoint_groups", Tag: family.CatalogTag,
		ID: func(v *EndpointGroup) *string { return &v.ID },
	}
}

// linkEnds tells whether both ends of a link exist.
func (f *Links) ends(ctx context.Context, tx *store.Tx, l Link) error {
	if l.EndpointID != "" {
		if _, err := family.Get(ctx, tx, f.c.t.Endpoints, l.EndpointID); err != nil {
			return err
		}
	}
	if l.GroupID != "" {
		if _, err := family.Get(ctx, tx, f.c.t.EndpointGroups, l.GroupID); err != nil {
			return err
		}
	}
	if l.ProjectID != "" {
		if err := f.c.project(ctx, tx, l.ProjectID); err != nil {
			return err
		}
	}
	return nil
}

// Link lets a project see an endpoint or a group of them.
func (f *Links) Link(ctx context.Context, rule string, l Link) error {
	return f.edit(ctx, rule, l, func(tx *store.Tx) error { return f.c.t.Links.Link(ctx, tx, l) })
}

// Unlink ends that.
func (f *Links) Unlink(ctx context.Context, rule string, l Link) error {
	return f.edit(ctx, rule, l, func(tx *store.Tx) error {
		was, err := f.c.t.Links.Unlink(ctx, tx, l)
		if err == nil && !was {
			err = noLink(l)
		}
		return err
	})
}

func noLink(l Link) error {
	if l.GroupID != "" {
		return errs.New(errs.NotFound, "Could not find Project Endpoint Group: %s.", l.GroupID)
	}
	return errs.New(errs.NotFound, "Endpoint %s not found in project %s.", l.EndpointID, l.ProjectID)
}

func (f *Links) edit(ctx context.Context, rule string, l Link, edit func(tx *store.Tx) error) error {
	if err := f.c.b.Check(ctx, rule, policy.Target{}); err != nil {
		return err
	}
	return f.c.b.DB.Write(ctx, func(tx *store.Tx) error {
		if err := f.ends(ctx, tx, l); err != nil {
			return err
		}
		if err := edit(tx); err != nil {
			return err
		}
		return f.c.b.Changed(ctx, tx, family.CatalogTag)
	})
}

// Check answers whether a project is linked: nil, or NotFound.
func (f *Links) Check(ctx context.Context, rule string, l Link) error {
	if err := f.c.b.Check(ctx, rule, policy.Target{}); err != nil {
		return err
	}
	return f.c.b.DB.Read(ctx, func(tx *store.Tx) error {
		if err := f.ends(ctx, tx, l); err != nil {
			return err
		}
		linked, err := f.c.t.Links.Linked(ctx, tx, l)
		if err == nil && !linked {
			err = noLink(l)
		}
		return err
	})
}

// Endpoints lists the endpoints that are linked to a project.
func (f *Links) Endpoints(ctx context.Context, projectID string) ([]Endpoint, error) {
	if err := f.c.b.Check(ctx, "identity:list_endpoints_for_project", policy.Target{}); err != nil {
		return nil, err
	}
	return family.Read(ctx, f.c.b.DB, func(tx *store.Tx) ([]Endpoint, error) {
		if err := f.ends(ctx, tx, Link{ProjectID: projectID}); err != nil {
			return nil, err
		}
		links, err := f.c.t.Links.Links(ctx, tx, Link{ProjectID: projectID})
		if err != nil {
			return nil, err
		}
		all, err := family.Find(ctx, tx, f.c.t.Endpoints)
		if err != nil {
			return nil, err
		}
		return f.c.selected(ctx, tx, all, links)
	})
}

// Projects lists the ids of the projects that an endpoint or a group is linked to.
func (f *Links) Projects(ctx context.Context, tx *store.Tx, l Link) ([]string, error) {
	if err := f.ends(ctx, tx, l); err != nil {
		return nil, err
	}
	links, err := f.c.t.Links.Links(ctx, tx, l)
	out := make([]string, len(links))
	for i, l := range links {
		out[i] = l.ProjectID
	}
	return out, err
}

// OfGroup lists the endpoints that a group selects.
func (f *Links) OfGroup(ctx context.Context, groupID string) ([]Endpoint, error) {
	if err := f.c.b.Check(ctx, "identity:list_endpoints_associated_with_endpoint_group", policy.Target{}); err != nil {
		return nil, err
	}
	return family.Read(ctx, f.c.b.DB, func(tx *store.Tx) ([]Endpoint, error) {
		if err := f.ends(ctx, tx, Link{GroupID: groupID}); err != nil {
			return nil, err
		}
		all, err := family.Find(ctx, tx, f.c.t.Endpoints)
		if err != nil {
			return nil, err
		}
		return f.c.selected(ctx, tx, all, []Link{{GroupID: groupID}})
	})
}

// Groups lists the groups that are linked to a project.
func (f *Links) Groups(ctx context.Context, projectID string) ([]EndpointGroup, error) {
	if err := f.c.b.Check(ctx, "identity:list_endpoint_groups_for_project", policy.Target{}); err != nil {
		return nil, err
	}
	return family.Read(ctx, f.c.b.DB, func(tx *store.Tx) ([]EndpointGroup, error) {
		if err := f.ends(ctx, tx, Link{ProjectID: projectID}); err != nil {
			return nil, err
		}
		links, err := f.c.t.Links.Links(ctx, tx, Link{ProjectID: projectID})
		if err != nil {
			return nil, err
		}
		out := []EndpointGroup{}
		for _, l := range links {
			if l.GroupID == "" {
				continue
			}
			g, err := family.Get(ctx, tx, f.c.t.EndpointGroups, l.GroupID)
			if err != nil {
				return nil, err
			}
			out = append(out, g)
		}
		return out, nil
	})
}
