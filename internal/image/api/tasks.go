package api

import (
	"context"
	"net/http"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

var taskSortKeys = []string{"id", "type", "status", "created_at", "updated_at", "expires_at"}

func (a *api) tasks() []httpx.Route {
	list := a.list("/v2/schemas/tasks", taskSortKeys,
		filled("type"), filled("status"), filled("owner"))
	rules := map[string]string{"list": "get_tasks", "show": "get_task", "delete": "tasks_api_access"}
	c := &rest.Resource[image.Task, image.NewTask, struct{}]{
		Path: "/v2/tasks", Item: "task_id", Many: "tasks", Query: list, Rule: func(verb string) string { return rules[verb] },
		List: a.svc.Tasks.List, Show: a.svc.Tasks.Show, Delete: a.svc.Tasks.Delete,
		View: func(_ context.Context, r *httpx.Request, _ []*image.Task) (func(*rest.Writer, *image.Task), error) {
			if r.HTTP.Method == http.MethodGet && r.Var("task_id") == "" {
				return viewTask, nil
			}
			return viewTaskDetails, nil
		},
		ID: func(t *image.Task) string { return t.ID },
	}
	return append(c.Routes(),
		route("POST", "/v2/tasks", "add_task", func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
			n, err := readTask(r)
			if err != nil {
				return nil, err
			}
			t, err := a.svc.Tasks.Create(ctx, n)
			resp, err := c.Answer(ctx, r, http.StatusCreated, t, err)
			if err != nil {
				return nil, err
			}
			return resp.With("Location", r.Link("/v2/tasks/%s", t.ID)), nil
		}),
	)
}

func readTask(r *httpx.Request) (n image.NewTask, err error) {
	body, err := r.Object()
	if err != nil {
		return n, err
	}
	kind, ok1 := body["type"].(string)
	input, ok2 := body["input"].(map[string]any)
	if !ok1 || !ok2 {
		return n, errs.New(errs.Invalid, "Task requires a 'type', a text, and an 'input', an object.")
	}
	return image.NewTask{Type: kind, Input: input}, nil
}

// viewTask is a task in a list, which leaves out its details.
func viewTask(w *rest.Writer, t *image.Task) {
	w.Text("id", t.ID)
	w.Text("type", t.Type)
	w.Text("status", t.Status)
	w.Text("owner", t.Owner)
	w.Time("created_at", t.CreatedAt, rest.Seconds)
	w.Time("updated_at", t.UpdatedAt, rest.Seconds)
	w.Text("self", "/v2/tasks/"+t.ID)
	w.Text("schema", "/v2/schemas/task")
	if !t.ExpiresAt.IsZero() {
		w.Time("expires_at", t.ExpiresAt, rest.Seconds)
	}
}

func viewTaskDetails(w *rest.Writer, t *image.Task) {
	viewTask(w, t)
	w.Text("image_id", t.ImageID)
	w.Text("request_id", t.RequestID)
	w.Text("user_id", t.UserID)
	w.Any("input", t.Input)
	w.Text("message", t.Message)
	w.Any("result", t.Result)
}

func (a *api) imageTasks(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	tasks, err := a.svc.Tasks.OfImage(ctx, r.Var("image_id"))
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("tasks", func() {
				for _, t := range tasks {
					w.Object("", func() { viewTaskDetails(w, t) })
				}
			})
		})
	}), nil
}
