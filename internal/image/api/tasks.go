package api

import (
	"context"
	"net/http"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

func (a *api) tasks() []httpx.Route {
	const one = "/v2/tasks/{task_id}"
	return []httpx.Route{
		route("GET", "/v2/tasks", "get_tasks", a.listTasks),
		route("POST", "/v2/tasks", "add_task", a.createTask),
		route("GET", one, "get_task", a.showTask),
		route("DELETE", one, "tasks_api_access", a.deleteTask),
	}
}

var taskSortKeys = []string{"id", "type", "status", "created_at", "updated_at", "expires_at"}

// viewTask is a task; a list leaves out its details.
func viewTask(t *image.Task, details bool) object {
	v := object{
		"id": t.ID, "type": t.Type, "status": t.Status, "owner": t.Owner,
		"created_at": stamp(t.CreatedAt), "updated_at": stamp(t.UpdatedAt),
		"self": "/v2/tasks/" + t.ID, "schema": "/v2/schemas/task",
	}
	if !t.ExpiresAt.IsZero() {
		v["expires_at"] = stamp(t.ExpiresAt)
	}
	if details {
		v["image_id"], v["request_id"], v["user_id"] = t.ImageID, t.RequestID, t.UserID
		v["input"], v["message"] = t.Input, t.Message
		v["result"] = nil
		if t.Result != nil {
			v["result"] = t.Result
		}
	}
	return v
}

func (a *api) imageTasks(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	tasks, err := a.svc.TasksOfImage(ctx, r.Var("image_id"))
	if err != nil {
		return nil, err
	}
	list := make([]object, len(tasks))
	for i, t := range tasks {
		list[i] = viewTask(t, true)
	}
	return httpx.JSON(http.StatusOK, object{"tasks": list}), nil
}

func (a *api) listTasks(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q := image.TaskQuery{Type: r.Query.Get("type"), Status: r.Query.Get("status"), Project: r.Query.Get("owner")}
	var err error
	if q.Limit, err = pageLimit(r, a.svc.Config().PageDefault); err != nil {
		return nil, err
	}
	if q.Sort, err = sorting(r, taskSortKeys); err != nil {
		return nil, err
	}
	tasks, more, err := a.svc.Tasks(ctx, q, r.Query.Get("marker"))
	if err != nil {
		return nil, err
	}
	list, last := make([]object, len(tasks)), ""
	for i, t := range tasks {
		list[i] = viewTask(t, false)
		if more {
			last = t.ID
		}
	}
	return httpx.JSON(http.StatusOK, page(r, "tasks", "/v2/tasks", "/v2/schemas/tasks", list, last)), nil
}

func (a *api) createTask(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	body, err := r.Object()
	if err != nil {
		return nil, err
	}
	kind, ok1 := body["type"].(string)
	input, ok2 := body["input"].(map[string]any)
	if !ok1 || !ok2 {
		return nil, errs.New(errs.Invalid, "Task requires a 'type', a text, and an 'input', an object.")
	}
	t, err := a.svc.CreateTask(ctx, kind, input)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusCreated, viewTask(t, true)).With("Location", r.Link("/v2/tasks/%s", t.ID)), nil
}

func (a *api) showTask(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := a.svc.Task(ctx, r.Var("task_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, viewTask(t, true)), nil
}

func (a *api) deleteTask(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.DeleteTask(ctx, r.Var("task_id")))
}
