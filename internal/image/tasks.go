package image

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Task is the record of an import that the API shows. The work itself is a saga.
type Task struct {
	ID        string
	Type      string // api_image_import, import, location_import
	Status    string // pending, processing, success, failure
	Owner     string
	ImageID   string
	UserID    string
	RequestID string
	Input     map[string]any
	Result    map[string]any
	Message   string
	CreatedAt time.Time
	UpdatedAt time.Time
	ExpiresAt time.Time
}

// NewTask is what a task is asked to do.
type NewTask struct {
	Type  string
	Input map[string]any
}

// Tasks are the records of imports. Administrators see all, others those of
// their images.
type Tasks struct {
	s     *Service
	table *store.Table[Task]
}

// begun is a task of the context's actor that begins now.
func (f *Tasks) begun(ctx context.Context, kind, imageID string, input map[string]any) *Task {
	a, now := actor.From(ctx), f.s.now()
	return &Task{
		ID: ids.New(), Type: kind, Status: "pending", Owner: a.ProjectID, ImageID: imageID,
		UserID: a.UserID, RequestID: a.RequestID, Input: input, CreatedAt: now, UpdatedAt: now,
	}
}

// end records how a task ended; one that is gone is nobody's concern.
func (f *Tasks) end(ctx context.Context, tx *store.Tx, id, status, message string, result map[string]any) error {
	t, err := f.table.Get(ctx, tx, id)
	if err != nil {
		return ignoreMissing(err)
	}
	t.Status, t.Message, t.Result, t.UpdatedAt = status, message, result, f.s.now()
	t.ExpiresAt = t.UpdatedAt.Add(f.s.cfg.TaskLife)
	return f.table.Update(ctx, tx, t)
}

// may checks the rule that guards the task API, then the operation's own.
func (f *Tasks) may(ctx context.Context, rule string) error {
	if err := f.s.policy.Check(ctx, "tasks_api_access", own(ctx)); err != nil {
		return err
	}
	return f.s.policy.Check(ctx, rule, own(ctx))
}

// OfImage lists the tasks of an image that the actor may see, the oldest first.
// Whence its owner has it, and who asked for that, is not for all who may use
// the image.
func (f *Tasks) OfImage(ctx context.Context, id string) ([]*Task, error) {
	img, err := f.s.Images.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	var page store.Page[Task]
	err = f.s.db.Read(ctx, func(tx *store.Tx) error {
		q := store.Query{Where: []store.Cond{store.Eq("image_id", img.ID)}, Sort: []store.Sort{{Field: "created_at"}}}
		if project := actor.From(ctx).ProjectID; project != img.Owner && !f.s.admin(ctx) {
			q = q.Filter(store.Eq("owner", project))
		}
		page, err = f.table.List(ctx, tx, q)
		return err
	})
	return page.Rows, err
}

// List lists tasks for administrators.
func (f *Tasks) List(ctx context.Context, q store.Query) (page store.Page[Task], err error) {
	if err := f.may(ctx, "get_tasks"); err != nil {
		return page, err
	}
	q.Sort, q.Cap = aged(q.Sort), f.s.cfg.PageMax
	err = f.s.db.Read(ctx, func(tx *store.Tx) error {
		page, err = f.table.List(ctx, tx, q)
		return unmarked(err, q, "a task")
	})
	return page, err
}

// Show returns one task to an administrator.
func (f *Tasks) Show(ctx context.Context, id string) (t *Task, err error) {
	if err := f.may(ctx, "get_task"); err != nil {
		return nil, err
	}
	err = f.s.db.Read(ctx, func(tx *store.Tx) error {
		t, err = f.table.Get(ctx, tx, id)
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.NotFound, "No task found with ID %s", quotable(id))
	}
	return t, err
}

// Create is the older way to import: it makes an image with the input's
// properties and fills it from a URL.
func (f *Tasks) Create(ctx context.Context, n NewTask) (*Task, error) {
	if err := f.may(ctx, "add_task"); err != nil {
		return nil, err
	}
	if n.Type != "import" {
		return nil, errs.New(errs.Invalid, "Invalid type for a task: %q; only import can be created here.", quotable(n.Type))
	}
	uri, _ := n.Input["import_from"].(string)
	properties, ok := n.Input["image_properties"].(map[string]any)
	if uri == "" || !ok {
		return nil, errs.New(errs.Invalid, "Input does not contain 'import_from' and 'image_properties'.")
	}
	if _, err := f.s.Imports.webRules().Check(uri); err != nil {
		return nil, err
	}
	attributes := map[string]any{}
	for k, v := range properties {
		attributes[k] = v
	}
	if format, ok := n.Input["import_from_format"].(string); ok && format != "" && attributes["disk_format"] == nil {
		attributes["disk_format"] = format
	}
	img, err := f.s.Images.Create(ctx, attributes)
	if err != nil {
		return nil, err
	}
	t := f.begun(ctx, "import", img.ID, n.Input)
	return t, f.s.Imports.begin(ctx, t, importState{
		TaskID: t.ID, ImageID: img.ID, Method: "web-download", URI: uri,
		Stores: []string{f.s.cfg.DefaultStore}, AllMustSucceed: true,
	}, Importing)
}

// Delete removes the record of a task that has ended.
func (f *Tasks) Delete(ctx context.Context, id string) error {
	t, err := f.Show(ctx, id)
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"success", "failure"}, t.Status) {
		return errs.New(errs.Conflict, "The task %s is %s; only tasks that have ended can be deleted.", t.ID, t.Status)
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error { return f.table.Delete(ctx, tx, id) })
}

// expire is the upkeep that removes the records of tasks that ended long ago.
func (f *Tasks) expire(ctx context.Context) (string, error) {
	var n int64
	err := f.s.db.Write(ctx, func(tx *store.Tx) (err error) {
		n, err = f.table.DeleteWhere(ctx, tx,
			store.Cond{Field: "expires_at", Op: store.Greater, Value: time.Time{}}, store.Cond{Field: "expires_at", Op: store.Less, Value: f.s.now()})
		return err
	})
	return fmt.Sprintf("%d records removed", n), err
}
