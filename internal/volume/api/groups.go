package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume/group"
)

// groupRoutes are /groups.
func (a *api) groupRoutes() []httpx.Route {
	const path = "/v3/groups"
	item := path + "/{group_id}"
	routes := allSince(13, []httpx.Route{
		route("GET", path, "group:get_all", lists(a.groups(briefGroup), a.svc.Groups.List)),
		route("GET", path+"/detail", "group:get_all", lists(a.groups(a.viewGroups), a.svc.Groups.List)),
		route("POST", path, "group:create", a.createGroup),
		route("GET", item, "group:get", a.showGroup),
		route("PUT", item, "group:update", a.updateGroup),
		action(item, "delete", "group:delete", a.deleteGroup),
	})
	routes = append(routes,
		since(14, action(path, "create-from-src", "group:create", a.copyGroup)),
		since(20, action(item, "reset_status", "group:reset_status", a.resetGroup)),
	)
	for _, verb := range []string{"enable_replication", "disable_replication", "failover_replication", "list_replication_targets"} {
		routes = append(routes, since(38, action(item, verb, "group:"+verb, a.replicateGroup(verb))))
	}
	return routes
}

type groupView = func(ctx context.Context, r *httpx.Request, rows []*group.Group) (func(*rest.Writer, *group.Group), error)

func (a *api) groups(view groupView) *rest.Resource[group.Group, struct{}, struct{}] {
	return &rest.Resource[group.Group, struct{}, struct{}]{
		One: "group", Many: "groups", Query: groupList, View: view, ID: func(g *group.Group) string { return g.ID },
	}
}

var groupList = &rest.List{
	Dialect: under("group", "Group", unknown), Also: append(slices.Clone(everywhere), "list_volume"), Sort: newestFirst,
	Fields: []rest.Field{
		text("name"), text("id"), text("status"), text("availability_zone"), text("description"), text("group_type"), text("group_snapshot_id"),
		text("source_group_id"), text("host"), text("project_id"), sorted("created_at"), sorted("updated_at"),
	},
}

func briefGroup(context.Context, *httpx.Request, []*group.Group) (func(*rest.Writer, *group.Group), error) {
	return func(w *rest.Writer, g *group.Group) {
		w.Text("id", g.ID)
		w.TextPointer("name", g.Name)
	}, nil
}

func (a *api) viewGroups(ctx context.Context, r *httpx.Request, rows []*group.Group) (func(*rest.Writer, *group.Group), error) {
	var members map[string][]string
	if r.AtLeast(3, 25) {
		want, err := r.Bool("list_volume", false)
		if err == nil && want {
			members, err = a.svc.Groups.VolumesOf(ctx, rows)
		}
		if err != nil {
			return nil, err
		}
	}
	owner := r.AtLeast(3, 58) && a.svc.Groups.Shown(ctx).Project
	return func(w *rest.Writer, g *group.Group) {
		w.Text("id", g.ID)
		w.Text("status", g.Status)
		w.TextOrNull("availability_zone", g.Zone)
		w.Time("created_at", g.CreatedAt, rest.Micros)
		w.TextPointer("name", g.Name)
		w.TextPointer("description", g.Description)
		w.Text("group_type", g.TypeID)
		w.Texts("volume_types", g.VolumeTypes)
		if r.AtLeast(3, 14) {
			w.TextOrNull("group_snapshot_id", g.SnapshotID)
			w.TextOrNull("source_group_id", g.SourceID)
		}
		if members != nil {
			w.Texts("volumes", members[g.ID])
		}
		if r.AtLeast(3, 38) {
			w.Text("replication_status", g.Replication)
		}
		if owner {
			w.Text("project_id", g.ProjectID)
		}
	}, nil
}

func (a *api) showGroup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	g, err := a.svc.Groups.Show(ctx, r.Var("group_id"))
	return a.groups(a.viewGroups).Answer(ctx, r, http.StatusOK, g, err)
}

var newGroupSchema = fixed(wrapped("group", closed(list{"group_type", "volume_types"}, object{
	"description": descText, "name": optionalText, "group_type": object{"type": "string", "minLength": 1, "maxLength": 255},
	"volume_types":      object{"type": "array", "minItems": 1, "uniqueItems": true, "items": object{"type": "string", "maxLength": 255}},
	"availability_zone": object{"type": list{"string", "null"}, "minLength": 1, "maxLength": 255},
})))

func (a *api) createGroup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Group struct {
			Name, Description *string
			Type              string   `json:"group_type"`
			VolumeTypes       []string `json:"volume_types"`
			Zone              string   `json:"availability_zone"`
		}
	}](r, newGroupSchema)
	if err != nil {
		return nil, err
	}
	n := b.Group
	g, err := a.svc.Groups.Create(ctx, group.NewGroup{Name: n.Name, Description: n.Description, Type: n.Type, VolumeTypes: n.VolumeTypes, Zone: n.Zone})
	return a.groups(briefGroup).Answer(ctx, r, http.StatusAccepted, g, err)
}

var copyGroupSchema = fixed(wrapped("create-from-src", merged(closed(nil, object{
	"description": descText, "name": optionalText, "source_group_id": idText, "group_snapshot_id": idText,
}), object{"oneOf": list{object{"required": list{"group_snapshot_id"}}, object{"required": list{"source_group_id"}}}})))

func (a *api) copyGroup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Copy struct {
			Name, Description *string
			Source            string `json:"source_group_id"`
			Snapshot          string `json:"group_snapshot_id"`
		} `json:"create-from-src"`
	}](r, copyGroupSchema)
	if err != nil {
		return nil, err
	}
	n := b.Copy
	g, err := a.svc.Groups.CreateFrom(ctx, group.Copy{Name: n.Name, Description: n.Description, SourceID: n.Source, SnapshotID: n.Snapshot})
	return a.groups(briefGroup).Answer(ctx, r, http.StatusAccepted, g, err)
}

var groupPatchSchema = fixed(wrapped("group", merged(closed(nil, object{
	"description": descText, "name": optionalText, "add_volumes": object{"type": list{"string", "null"}}, "remove_volumes": object{"type": list{"string", "null"}},
}), object{"minProperties": 1})))

func (a *api) updateGroup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Group struct {
			Name, Description change.Optional[string]
			Add               string `json:"add_volumes"`
			Remove            string `json:"remove_volumes"`
		}
	}](r, groupPatchSchema)
	if err != nil {
		return nil, err
	}
	p := group.Patch{Name: b.Group.Name, Description: b.Group.Description, Add: words(b.Group.Add), Remove: words(b.Group.Remove)}
	return accepted(a.svc.Groups.Update(ctx, r.Var("group_id"), p))
}

// words are those of a text with commas between.
func words(text string) []string {
	return slices.DeleteFunc(strings.Split(text, ","), func(w string) bool { return w == "" })
}

var deleteGroupSchema = fixed(wrapped("delete", closed(nil, object{"delete-volumes": boolType})))

func (a *api) deleteGroup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Delete struct {
			Volumes rest.Bool `json:"delete-volumes"`
		}
	}](r, deleteGroupSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Groups.Delete(ctx, r.Var("group_id"), bool(b.Delete.Volumes)))
}

var resetSchema = fixed(wrapped("reset_status", closed(list{"status"}, object{"status": object{"type": "string", "pattern": `\S`}})))

// resetBody reads the status that an administrator sets.
func resetBody(r *httpx.Request) (string, error) {
	b, err := rest.Body[struct {
		Reset struct{ Status string } `json:"reset_status"`
	}](r, resetSchema)
	return b.Reset.Status, err
}

func (a *api) resetGroup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	status, err := resetBody(r)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Groups.ResetStatus(ctx, r.Var("group_id"), status))
}

// replicateGroup answers the actions of replication.
func (a *api) replicateGroup(verb string) httpx.Handler {
	body := object{"type": "object"}
	if verb == "failover_replication" {
		body = closed(nil, object{"allow_attached_volume": boolType, "secondary_backend_id": optionalText})
	}
	shape := fixed(wrapped(verb, body))
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if _, err := shape.Check(r); err != nil {
			return nil, err
		}
		return accepted(a.svc.Groups.Replicate(ctx, r.Var("group_id"), verb))
	}
}
