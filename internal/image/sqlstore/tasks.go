package sqlstore

import (
	"context"
	"encoding/json"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

const taskColumns = "id, type, status, owner, image_id, user_id, request_id, input, result, message, created_at, updated_at, expires_at"

func scanTask(r store.Row) (*image.Task, error) {
	var t image.Task
	var input, result string
	var created, updated, expires int64
	err := r.Scan(&t.ID, &t.Type, &t.Status, &t.Owner, &t.ImageID, &t.UserID, &t.RequestID, &input, &result, &t.Message,
		&created, &updated, &expires)
	if err != nil {
		return &t, err
	}
	t.CreatedAt, t.UpdatedAt, t.ExpiresAt = store.Time(created), store.Time(updated), store.Time(expires)
	if err := json.Unmarshal([]byte(input), &t.Input); err != nil {
		return &t, err
	}
	return &t, json.Unmarshal([]byte(result), &t.Result)
}

func taskTexts(t *image.Task) (input, result string, err error) {
	a, err := json.Marshal(t.Input)
	if err != nil {
		return "", "", err
	}
	b, err := json.Marshal(t.Result)
	return string(a), string(b), err
}

// CreateTask adds a task.
func (s Store) CreateTask(ctx context.Context, tx *store.Tx, t *image.Task) error {
	input, result, err := taskTexts(t)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO image_task ("+taskColumns+") VALUES ("+marks(13)+")",
		t.ID, t.Type, t.Status, t.Owner, t.ImageID, t.UserID, t.RequestID, input, result, t.Message,
		store.Micros(t.CreatedAt), store.Micros(t.UpdatedAt), store.Micros(t.ExpiresAt))
	return err
}

// SaveTask records how a task fares.
func (s Store) SaveTask(ctx context.Context, tx *store.Tx, t *image.Task) error {
	_, result, err := taskTexts(t)
	if err != nil {
		return err
	}
	return tx.ExecOne(ctx, "UPDATE image_task SET status = ?, result = ?, message = ?, updated_at = ?, expires_at = ? WHERE id = ?",
		t.Status, result, t.Message, store.Micros(t.UpdatedAt), store.Micros(t.ExpiresAt), t.ID)
}

// Task returns one task.
func (s Store) Task(ctx context.Context, tx *store.Tx, id string) (*image.Task, error) {
	return store.One(ctx, tx, scanTask, "SELECT "+taskColumns+" FROM image_task WHERE id = ?", id)
}

// DeleteTask removes one task.
func (s Store) DeleteTask(ctx context.Context, tx *store.Tx, id string) error {
	return tx.ExecOne(ctx, "DELETE FROM image_task WHERE id = ?", id)
}

// DeleteExpiredTasks removes the tasks that ended long ago.
func (s Store) DeleteExpiredTasks(ctx context.Context, tx *store.Tx, now time.Time) (int64, error) {
	return tx.Exec(ctx, "DELETE FROM image_task WHERE expires_at > 0 AND expires_at < ?", store.Micros(now))
}

// Tasks returns one page of tasks.
func (s Store) Tasks(ctx context.Context, tx *store.Tx, q image.TaskQuery) ([]*image.Task, error) {
	sel := store.Select("SELECT " + taskColumns + " FROM image_task").Limit(q.Limit)
	for col, v := range map[string]string{"owner": q.Project, "image_id": q.ImageID, "type": q.Type, "status": q.Status} {
		if v != "" {
			sel.Where(col+" = ?", v)
		}
	}
	keys := q.Sort
	if len(keys) == 0 {
		keys = []image.SortKey{{Field: "created_at", Desc: true}}
	}
	for _, last := range []string{"created_at", "id"} {
		if !sortsBy(keys, last) {
			keys = append(keys[:len(keys):len(keys)], image.SortKey{Field: last, Desc: keys[0].Desc})
		}
	}
	var fields []keyset
	for _, k := range keys {
		v, ok := taskSortValue(q.Marker, k.Field)
		if !ok {
			return nil, errs.New(errs.Invalid, "Invalid sort key: %s.", k.Field)
		}
		fields = append(fields, keyset{column: k.Field, desc: k.Desc, value: v})
	}
	paginate(sel, fields, q.Marker != nil)
	return store.Find(ctx, tx, scanTask, sel)
}

func taskSortValue(t *image.Task, field string) (any, bool) {
	if t == nil {
		t = &image.Task{}
	}
	switch field {
	case "id":
		return t.ID, true
	case "type":
		return t.Type, true
	case "status":
		return t.Status, true
	case "created_at":
		return store.Micros(t.CreatedAt), true
	case "updated_at":
		return store.Micros(t.UpdatedAt), true
	case "expires_at":
		return store.Micros(t.ExpiresAt), true
	}
	return nil, false
}
