package compute

import (
	"context"
	"fmt"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// begin saves a server whose task state was set and starts the action: an entry
// of the history, and the saga that does the work. Nothing may save the server
// after that: a saga without work to do has ended already.
func (s *journal) begin(ctx context.Context, tx *store.Tx, srv *Server, kind, action string, v interface{ common() *job }) error {
	if err := s.save(ctx, tx, srv); err != nil {
		return err
	}
	return s.launch(ctx, tx, srv, kind, action, v)
}

// launch is begin for a server that is saved.
func (s *journal) launch(ctx context.Context, tx *store.Tx, srv *Server, kind, action string, v interface{ common() *job }) error {
	id, err := s.record(ctx, tx, srv, action)
	if err != nil {
		return err
	}
	j := v.common()
	j.Server, j.Action, j.Name = srv.ID, id, action
	if j.Host == "" {
		j.Host = srv.Host
	}
	_, err = s.sagas.Start(ctx, tx, kind, srv.ID, v)
	if errs.Is(err, errs.Conflict) {
		return errs.New(errs.Conflict, "Cannot '%s' instance %s while another operation on it is being finished", action, srv.ID)
	}
	return err
}

// record adds an action to a server's history.
func (s *journal) record(ctx context.Context, tx *store.Tx, srv *Server, action string) (int64, error) {
	id, err := s.store.Next(ctx, tx, "action")
	if err != nil {
		return 0, err
	}
	if w, ok := spoken[action]; ok {
		action = w
	}
	who, now := actor.From(ctx), s.now().UTC()
	return id, s.actions.Insert(ctx, tx, &Action{
		ID: id, ServerID: srv.ID, RequestID: who.RequestID, Action: action,
		UserID: who.UserID, ProjectID: who.ProjectID, StartedAt: now, UpdatedAt: now,
	})
}

// recordDone adds an action that needed no saga.
func (s *journal) recordDone(ctx context.Context, tx *store.Tx, srv *Server, action string) error {
	id, err := s.record(ctx, tx, srv, action)
	if err != nil {
		return err
	}
	return s.finishAction(ctx, tx, id, "")
}

// finishAction says that an action has ended; message is empty if well.
func (s *journal) finishAction(ctx context.Context, tx *store.Tx, id int64, message string) error {
	now := s.now().UTC()
	_, err := s.actions.Patch(ctx, tx, store.Changes{"message": message, "ended_at": now, "updated_at": now}, store.Eq("id", id))
	return err
}

// recordEvent adds an ended step to an action.
func (s *journal) recordEvent(ctx context.Context, tx *store.Tx, e *Event) error {
	if err := s.events.Insert(ctx, tx, e); err != nil {
		return err
	}
	_, err := s.actions.Patch(ctx, tx, store.Changes{"updated_at": e.EndedAt}, store.Eq("id", e.ActionID))
	return err
}

// step wraps a saga step so that the server's history shows it as an event,
// well ended or not.
func step[S any, P state[S]](s *core, name string, do func(ctx context.Context, v *S) error) func(context.Context, *S) error {
	return func(ctx context.Context, v *S) error {
		j, start := P(v).common(), s.now().UTC()
		err := do(ctx, v)
		e := Event{ActionID: j.Action, Name: name, Host: j.Host, Result: "Success", StartedAt: start, EndedAt: s.now().UTC()}
		if err != nil {
			e.Result, e.Details, e.Traceback = "Error", errs.As(err).Msg, err.Error()
		}
		saga.Note(ctx, func(ctx context.Context, tx *store.Tx) error { return s.journal.recordEvent(ctx, tx, &e) })
		return err
	}
}

// finish ends an action well: f changes the server a last time.
func finish[S any, P state[S]](s *core, f func(ctx context.Context, tx *store.Tx, v *S, srv *Server) error) func(context.Context, *store.Tx, *S) error {
	return func(ctx context.Context, tx *store.Tx, v *S) error {
		j := P(v).common()
		srv, err := s.servers.Get(ctx, tx, j.Server)
		if err != nil {
			return err
		}
		srv.TaskState, srv.Progress = TaskNone, 0
		if err := f(ctx, tx, v, srv); err != nil {
			return err
		}
		if err := s.journal.finishAction(ctx, tx, j.Action, ""); err != nil {
			return err
		}
		return s.journal.settle(ctx, tx, srv)
	}
}

// fail ends an action badly: f says what becomes of the server.
func fail[S any, P state[S]](s *core, f func(ctx context.Context, tx *store.Tx, v *S, srv *Server, cause *errs.Error) error) func(context.Context, *store.Tx, *S, *errs.Error) error {
	return func(ctx context.Context, tx *store.Tx, v *S, cause *errs.Error) error {
		j := P(v).common()
		srv, err := s.servers.Get(ctx, tx, j.Server)
		if err != nil {
			return err
		}
		srv.TaskState, srv.Progress = TaskNone, 0
		if err := f(ctx, tx, v, srv, cause); err != nil {
			return err
		}
		if err := s.journal.finishAction(ctx, tx, j.Action, "Error"); err != nil {
			return err
		}
		return s.journal.settle(ctx, tx, srv)
	}
}

// settle saves a server at the end of a saga, and begins its deletion if that
// was asked for while the saga ran.
func (s *journal) settle(ctx context.Context, tx *store.Tx, srv *Server) error {
	if !srv.DeleteRequested || srv.Deleted {
		return s.save(ctx, tx, srv)
	}
	list, err := s.actionsOf(ctx, tx, srv.ID)
	if err != nil {
		return err
	}
	j := job{Server: srv.ID, Host: srv.Host, Name: "delete"}
	for _, a := range list {
		if a.EndedAt.IsZero() && (a.Action == "delete" || a.Action == "forceDelete") {
			j.Action = a.ID
			break
		}
	}
	srv.TaskState = TaskDeleting
	if err := s.save(ctx, tx, srv); err != nil {
		return err
	}
	_, err = s.sagas.Start(ctx, tx, kindDelete, srv.ID, &j)
	return err
}

// setFault puts a server into ERROR with a reason for its owner. A wish to
// delete that came in between is no fault.
// Administrators are told what the host itself said, and which host it was.
func (s *journal) setFault(srv *Server, host string, cause *errs.Error) {
	s.setFaultOf(srv, host, "", cause)
}

// setFaultOf is setFault where the host's own words are known.
func (s *journal) setFaultOf(srv *Server, host, details string, cause *errs.Error) {
	if saga.Cancelled(cause) {
		return
	}
	switch {
	case details == "" && host != "":
		details = onHost(host, cause)
	case details == "":
		details = cause.Error()
	}
	code := 500
	if cause.Kind == errs.Invalid {
		code = 400
	}
	srv.Fault = &Fault{Code: code, Message: cause.Msg, Details: details, Created: s.now().UTC()}
}

// onHost says for administrators what went wrong on a host.
func onHost(host string, err error) string { return fmt.Sprintf("On host %s: %s", host, err) }

// newest is the order of histories.
var newest = []store.Sort{{Field: "id", Desc: true}}

// actionsOf reads a server's history, newest first, without its events.
func (s *journal) actionsOf(ctx context.Context, tx *store.Tx, serverID string) ([]*Action, error) {
	page, err := s.actions.List(ctx, tx, store.Query{Where: []store.Cond{store.Eq("server_id", serverID)}, Sort: newest})
	return page.Rows, err
}

// History are the use cases of one server's actions. Deleted servers keep theirs.
type History struct {
	*core
	serverID   string
	deletedToo bool
}

// Of returns the use cases of a server's actions.
func (s *Histories) Of(serverID string, deletedToo bool) History {
	return History{s.core, serverID, deletedToo}
}

// List lists actions, newest first.
func (h History) List(ctx context.Context, q store.Query) (page store.Page[Action], err error) {
	err = h.read(ctx, func(tx *store.Tx) (err error) {
		if err := h.find(ctx, tx, "os-instance-actions:list"); err != nil {
			return err
		}
		page, err = h.actions.List(ctx, tx, q.Within(store.Eq("server_id", h.serverID)))
		return err
	})
	return page, err
}

// Show returns the newest action of a request, with its events, newest first.
func (h History) Show(ctx context.Context, requestID string) (a *Action, err error) {
	err = h.read(ctx, func(tx *store.Tx) (err error) {
		if err := h.find(ctx, tx, "os-instance-actions:show"); err != nil {
			return err
		}
		a, err = h.journal.actionByRequest(ctx, tx, h.serverID, requestID)
		return notFound(err, "Action for request_id %s on instance %s not found", requestID, h.serverID)
	})
	if err != nil {
		return nil, err
	}
	a.EventsShown = h.may(ctx, "os-instance-actions:events")
	a.DetailsShown = h.may(ctx, "os-instance-actions:events:details")
	return a, nil
}

func (s *journal) actionByRequest(ctx context.Context, tx *store.Tx, serverID, requestID string) (*Action, error) {
	page, err := s.actions.List(ctx, tx, store.Query{
		Where: []store.Cond{store.Eq("server_id", serverID), store.Eq("request_id", requestID)}, Sort: newest, Limit: 1,
	})
	if err == nil && len(page.Rows) == 0 {
		err = store.ErrNoRows
	}
	if err != nil {
		return nil, err
	}
	a := page.Rows[0]
	events, err := s.events.List(ctx, tx, store.Query{
		Where: []store.Cond{store.Eq("action_id", a.ID)}, Sort: []store.Sort{{Field: "started_at", Desc: true}, {Field: "ended_at", Desc: true}},
	})
	a.Events = events.Rows
	return a, err
}

func (h History) find(ctx context.Context, tx *store.Tx, rule string) error {
	s, id := h.core, h.serverID
	srv, err := s.servers.Get(ctx, tx, id)
	if err != nil {
		return notFound(err, "Instance %s could not be found.", id)
	}
	if srv.Deleted && !h.deletedToo || srv.ProjectID != actor.From(ctx).ProjectID && !s.isAdmin(ctx) {
		return serverNotFound(id)
	}
	return s.checkServer(ctx, srv, rule)
}
