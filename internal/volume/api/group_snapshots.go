package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume/group"
)

// groupSnapshotRoutes are /group_snapshots.
func (a *api) groupSnapshotRoutes() []httpx.Route {
	const path = "/v3/group_snapshots"
	item := path + "/{group_snapshot_id}"
	return append(allSince(14, []httpx.Route{
		route("GET", path, "group:get_all_group_snapshots", a.listGroupSnapshots(briefGroupSnapshot)),
		route("GET", path+"/detail", "group:get_all_group_snapshots", a.listGroupSnapshots(a.viewGroupSnapshots)),
		route("POST", path, "group:create_group_snapshot", a.createGroupSnapshot),
		route("GET", item, "group:get_group_snapshot", a.showGroupSnapshot),
		route("DELETE", item, "group:delete_group_snapshot", a.deleteGroupSnapshot),
	}), since(19, action(item, "reset_status", "group:reset_group_snapshot_status", a.resetGroupSnapshot)))
}

type groupSnapshotView = func(ctx context.Context, r *httpx.Request, rows []*group.Snapshot) (func(*rest.Writer, *group.Snapshot), error)

func groupSnapshots(view groupSnapshotView) *rest.Resource[group.Snapshot, struct{}, struct{}] {
	return &rest.Resource[group.Snapshot, struct{}, struct{}]{
		One: "group_snapshot", Many: "group_snapshots", Query: groupSnapshotList, View: view, ID: func(v *group.Snapshot) string { return v.ID },
	}
}

// groupSnapshotList is what lists of group snapshots can be asked; before 3.29 they had no parameters.
var groupSnapshotList = &rest.List{
	Dialect: under("group_snapshot", "GroupSnapshot", unknown), Also: everywhere, Sort: newestFirst,
	Paged: func(r *httpx.Request) bool { return r.AtLeast(3, 29) },
	Fields: []rest.Field{
		{Name: "name", Since: 29},
		{Name: "id", Since: 29},
		{Name: "status", Since: 29},
		{Name: "group_id", Since: 29},
		{Name: "group_type_id", Since: 29},
		{Name: "description", Since: 29},
		sorted("created_at"), sorted("updated_at"),
	},
}

func (a *api) listGroupSnapshots(view groupSnapshotView) httpx.Handler {
	return lists(groupSnapshots(view), a.svc.Groups.Snapshots.List)
}

func briefGroupSnapshot(_ context.Context, r *httpx.Request, _ []*group.Snapshot) (func(*rest.Writer, *group.Snapshot), error) {
	one := r.HTTP.Method == http.MethodPost
	return func(w *rest.Writer, v *group.Snapshot) {
		w.Text("id", v.ID)
		w.TextPointer("name", v.Name)
		if one {
			w.Text("group_type_id", v.TypeID)
		}
	}, nil
}

func (a *api) viewGroupSnapshots(ctx context.Context, r *httpx.Request, _ []*group.Snapshot) (func(*rest.Writer, *group.Snapshot), error) {
	owner := r.AtLeast(3, 58) && a.svc.Groups.Shown(ctx).SnapshotProject
	return func(w *rest.Writer, v *group.Snapshot) {
		w.Text("id", v.ID)
		w.Text("group_id", v.GroupID)
		w.Text("group_type_id", v.TypeID)
		w.Text("status", v.Status)
		w.Time("created_at", v.CreatedAt, rest.Micros)
		w.TextPointer("name", v.Name)
		w.TextPointer("description", v.Description)
		if owner {
			w.Text("project_id", v.ProjectID)
		}
	}, nil
}

func (a *api) showGroupSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	v, err := a.svc.Groups.Snapshots.Show(ctx, r.Var("group_snapshot_id"))
	return groupSnapshots(a.viewGroupSnapshots).Answer(ctx, r, http.StatusOK, v, err)
}

var newGroupSnapshotSchema = fixed(wrapped("group_snapshot", closed(list{"group_id"}, object{"group_id": idText, "name": optionalText, "description": descText})))

func (a *api) createGroupSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Snapshot struct {
			GroupID           string `json:"group_id"`
			Name, Description *string
		} `json:"group_snapshot"`
	}](r, newGroupSnapshotSchema)
	if err != nil {
		return nil, err
	}
	n := b.Snapshot
	v, err := a.svc.Groups.Snapshots.Create(ctx, group.NewSnapshot{GroupID: n.GroupID, Name: n.Name, Description: n.Description})
	return groupSnapshots(briefGroupSnapshot).Answer(ctx, r, http.StatusAccepted, v, err)
}

func (a *api) deleteGroupSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return accepted(a.svc.Groups.Snapshots.Delete(ctx, r.Var("group_snapshot_id")))
}

func (a *api) resetGroupSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	status, err := resetBody(r)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Groups.Snapshots.ResetStatus(ctx, r.Var("group_snapshot_id"), status))
}
