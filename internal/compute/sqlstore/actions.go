package sqlstore

import (
	"context"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/store"
)

const actionColumns = "id, server_id, request_id, action, user_id, project_id, message, started_at, ended_at, updated_at"

func scanAction(r store.Row) (*compute.Action, error) {
	a := &compute.Action{}
	return a, r.Scan(&a.ID, &a.ServerID, &a.RequestID, &a.Action, &a.UserID, &a.ProjectID, &a.Message,
		timeOf{&a.StartedAt}, timeOf{&a.EndedAt}, timeOf{&a.UpdatedAt})
}

func scanEvent(r store.Row) (e compute.Event, err error) {
	return e, r.Scan(&e.Name, &e.Host, &e.Result, &e.Details, &e.Traceback, timeOf{&e.StartedAt}, timeOf{&e.EndedAt})
}

// InsertAction adds an action to a server's history.
func (*Store) InsertAction(ctx context.Context, tx *store.Tx, a *compute.Action) error {
	_, err := tx.Exec(ctx, "INSERT INTO compute_action ("+actionColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		a.ID, a.ServerID, a.RequestID, a.Action, a.UserID, a.ProjectID, a.Message,
		store.Micros(a.StartedAt), store.Micros(a.EndedAt), store.Micros(a.UpdatedAt))
	return err
}

// FinishAction says that an action has ended; message is empty if well.
func (*Store) FinishAction(ctx context.Context, tx *store.Tx, id int64, message string, at time.Time) error {
	_, err := tx.Exec(ctx, "UPDATE compute_action SET message = ?, ended_at = ?, updated_at = ? WHERE id = ?",
		message, store.Micros(at), store.Micros(at), id)
	return err
}

// InsertEvent adds an ended step to an action.
func (*Store) InsertEvent(ctx context.Context, tx *store.Tx, actionID int64, e compute.Event) error {
	_, err := tx.Exec(ctx, `INSERT INTO compute_action_event
		(action_id, name, host, result, details, traceback, started_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		actionID, e.Name, e.Host, e.Result, e.Details, e.Traceback, store.Micros(e.StartedAt), store.Micros(e.EndedAt))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "UPDATE compute_action SET updated_at = ? WHERE id = ?", store.Micros(e.EndedAt), actionID)
	return err
}

// Actions lists a server's actions, newest first, without their events.
func (*Store) Actions(ctx context.Context, tx *store.Tx, serverID string) ([]*compute.Action, error) {
	return store.All(ctx, tx, scanAction, "SELECT "+actionColumns+" FROM compute_action WHERE server_id = ? ORDER BY id DESC", serverID)
}

// ActionByRequest finds the newest action of a request, with its events, newest first.
func (*Store) ActionByRequest(ctx context.Context, tx *store.Tx, serverID, requestID string) (*compute.Action, error) {
	a, err := store.One(ctx, tx, scanAction, "SELECT "+actionColumns+
		" FROM compute_action WHERE server_id = ? AND request_id = ? ORDER BY id DESC LIMIT 1", serverID, requestID)
	if err != nil {
		return nil, err
	}
	a.Events, err = store.All(ctx, tx, scanEvent, `SELECT name, host, result, details, traceback, started_at, ended_at
		FROM compute_action_event WHERE action_id = ? ORDER BY started_at DESC, ended_at DESC`, a.ID)
	return a, err
}
