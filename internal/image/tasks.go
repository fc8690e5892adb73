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

// TaskQuery selects a page of tasks.
type TaskQuery struct {
	Project string // "" for everybody's
	ImageID string
	Type    string
	Status  string
	Sort    []SortKey // created_at, updated_at, expires_at, id, type, status
	Marker  *Task
	Limit   int
}

// TaskStore is the persistence of tasks.
type TaskStore interface {
	CreateTask(ctx context.Context, tx *store.Tx, t *Task) error
	Task(ctx context.Context, tx *store.Tx, id string) (*Task, error)
	Tasks(ctx context.Context, tx *store.Tx, q TaskQuery) ([]*Task, error)
	SaveTask(ctx context.Context, tx *store.Tx, t *Task) error
	DeleteTask(ctx context.Context, tx *store.Tx, id string) error
	DeleteExpiredTasks(ctx context.Context, tx *store.Tx, now time.Time) (int64, error)
}

// newTask is a task of the context's actor that begins now.
func (s *Service) newTask(ctx context.Context, kind, imageID string, input map[string]any) *Task {
	a, now := actor.From(ctx), s.now()
	return &Task{
		ID: ids.New(), Type: kind, Status: "pending", Owner: a.ProjectID, ImageID: imageID,
		UserID: a.UserID, RequestID: a.RequestID, Input: input, CreatedAt: now, UpdatedAt: now,
	}
}

// endTask records how a task ended; one that is gone is nobody's concern.
func (s *Service) endTask(ctx context.Context, tx *store.Tx, id, status, message string, result map[string]any) error {
	t, err := s.store.Task(ctx, tx, id)
	if err != nil {
		return ignoreMissing(err)
	}
	t.Status, t.Message, t.Result, t.UpdatedAt = status, message, result, s.now()
	t.ExpiresAt = t.UpdatedAt.Add(s.cfg.TaskLife)
	return s.store.SaveTask(ctx, tx, t)
}

// TasksOfImage lists the tasks of an image that the actor may see. Whence its
// owner has it, and who asked for that, is not for all who may use the image.
func (s *Service) TasksOfImage(ctx context.Context, id string) ([]*Task, error) {
	img, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	var tasks []*Task
	err = s.db.Read(ctx, func(tx *store.Tx) error {
		q := TaskQuery{ImageID: img.ID, Sort: []SortKey{{Field: "created_at"}}}
		if project := actor.From(ctx).ProjectID; project != img.Owner && !s.admin(ctx) {
			q.Project = project
		}
		tasks, err = s.store.Tasks(ctx, tx, q)
		return err
	})
	return tasks, err
}

// Tasks lists tasks for administrators.
func (s *Service) Tasks(ctx context.Context, q TaskQuery, marker string) ([]*Task, bool, error) {
	if err := s.mayTask(ctx, "get_tasks"); err != nil {
		return nil, false, err
	}
	var tasks []*Task
	if q.Limit = min(q.Limit, s.cfg.PageMax); q.Limit == 0 {
		return nil, false, nil
	}
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		if marker != "" {
			if q.Marker, err = s.store.Task(ctx, tx, marker); err != nil {
				return errs.New(errs.Invalid, "The marker %s is not a task.", quotable(marker))
			}
		}
		tasks, err = s.store.Tasks(ctx, tx, q)
		return err
	})
	return tasks, err == nil && q.Limit > 0 && len(tasks) == q.Limit, err
}

// mayTask checks the rule that guards the task API, then the operation's own.
func (s *Service) mayTask(ctx context.Context, rule string) error {
	if err := s.policy.Check(ctx, "tasks_api_access", own(ctx)); err != nil {
		return err
	}
	return s.policy.Check(ctx, rule, own(ctx))
}

// Task returns one task to an administrator.
func (s *Service) Task(ctx context.Context, id string) (*Task, error) {
	if err := s.mayTask(ctx, "get_task"); err != nil {
		return nil, err
	}
	var t *Task
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		t, err = s.store.Task(ctx, tx, id)
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.NotFound, "No task found with ID %s", quotable(id))
	}
	return t, err
}

// CreateTask is the older way to import: it makes an image with the input's
// properties and fills it from a URL.
func (s *Service) CreateTask(ctx context.Context, kind string, input map[string]any) (*Task, error) {
	if err := s.mayTask(ctx, "add_task"); err != nil {
		return nil, err
	}
	if kind != "import" {
		return nil, errs.New(errs.Invalid, "Invalid type for a task: %q; only import can be created here.", quotable(kind))
	}
	uri, _ := input["import_from"].(string)
	properties, ok := input["image_properties"].(map[string]any)
	if uri == "" || !ok {
		return nil, errs.New(errs.Invalid, "Input does not contain 'import_from' and 'image_properties'.")
	}
	if _, err := s.webRules().Check(uri); err != nil {
		return nil, err
	}
	attributes := map[string]any{}
	for k, v := range properties {
		attributes[k] = v
	}
	if f, ok := input["import_from_format"].(string); ok && f != "" && attributes["disk_format"] == nil {
		attributes["disk_format"] = f
	}
	img, err := s.Create(ctx, attributes)
	if err != nil {
		return nil, err
	}
	t := s.newTask(ctx, "import", img.ID, input)
	return t, s.startImport(ctx, t, importState{
		TaskID: t.ID, ImageID: img.ID, Method: "web-download", URI: uri,
		Stores: []string{s.cfg.DefaultStore}, AllMustSucceed: true,
	}, Importing)
}

// DeleteTask removes the record of a task that has ended.
func (s *Service) DeleteTask(ctx context.Context, id string) error {
	t, err := s.Task(ctx, id)
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"success", "failure"}, t.Status) {
		return errs.New(errs.Conflict, "The task %s is %s; only tasks that have ended can be deleted.", t.ID, t.Status)
	}
	return s.db.Write(ctx, func(tx *store.Tx) error { return s.store.DeleteTask(ctx, tx, id) })
}

// expireTasks is the upkeep that removes the records of tasks that ended long ago.
func (s *Service) expireTasks(ctx context.Context) (string, error) {
	var n int64
	err := s.db.Write(ctx, func(tx *store.Tx) (err error) {
		n, err = s.store.DeleteExpiredTasks(ctx, tx, s.now())
		return err
	})
	return fmt.Sprintf("%d records removed", n), err
}
