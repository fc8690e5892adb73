package app

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/saga"
)

// SagaRow is a saga as the command line shows it.
type SagaRow struct {
	ID, Kind, Resource, State, Step, Error string
	UserID, ProjectID, RequestID, Owner    string
	Created, Updated, Ended                time.Time
}

// Took is how long the saga has run, or ran.
func (s SagaRow) Took() time.Duration {
	end := s.Ended
	if end.IsZero() {
		end = time.Now()
	}
	return end.Sub(s.Created).Round(time.Millisecond)
}

// SagaDetail is a saga with its log.
type SagaDetail struct {
	SagaRow
	Events []SagaEvent
}

// SagaEvent is one line of a saga's log.
type SagaEvent struct {
	Time              time.Time
	Name, Step, Error string
	Took              time.Duration
	Data              string `json:",omitempty"`
}

// TaskRow is a task as the command line shows it.
type TaskRow struct {
	Name          string
	Every, Took   time.Duration
	Runs          int
	Last          time.Time
	Report, Error string
}

// onControl makes an operation of the control plane: it is refused where the
// control plane does not run, or not yet.
func onControl[In any](c *Cloud, f func(ctx context.Context, k *control, r *http.Request, in In) (any, error)) func(context.Context, *http.Request, In) (any, error) {
	return func(ctx context.Context, r *http.Request, in In) (any, error) {
		if c.control == nil || !c.ready.Load() {
			return nil, errs.New(errs.Unavailable, "The control plane does not run here, or not yet.")
		}
		return f(ctx, c.control, r, in)
	}
}

// adminOperations puts the operations of the cloud's roles on the admin socket.
func (c *Cloud) adminOperations() {
	a := c.admin
	handle(a, "GET /status", func(ctx context.Context, _ *http.Request, _ nothing) (any, error) { return c.status(ctx), nil })
	handle(a, "GET /settings", func(context.Context, *http.Request, nothing) (any, error) { return c.cfg.settings(), nil })
	a.mux.Handle("GET /metrics", c.metrics.handler())
	handle(a, "GET /sagas", onControl(c, listSagas))
	handle(a, "GET /sagas/{id}", onControl(c, showSaga))
	handle(a, "POST /sagas/{id}/retry", onControl(c, func(ctx context.Context, k *control, r *http.Request, _ nothing) (any, error) {
		return nothing{}, k.sagas.Retry(ctx, r.PathValue("id"))
	}))
	handle(a, "POST /sagas/{id}/abandon", onControl(c, func(ctx context.Context, k *control, r *http.Request, in struct{ Reason string }) (any, error) {
		return nothing{}, k.sagas.Abandon(ctx, r.PathValue("id"), in.Reason)
	}))
	handle(a, "GET /events", onControl(c, listEvents))
	handle(a, "GET /tasks", onControl(c, func(_ context.Context, k *control, _ *http.Request, _ nothing) (any, error) {
		out := []TaskRow{}
		for _, t := range k.tasks.Status() {
			row := TaskRow{Name: t.Name, Every: t.Every, Runs: t.Runs, Last: t.Started, Took: t.Duration, Report: t.Report}
			if t.Err != nil {
				row.Error = t.Err.Error()
			}
			out = append(out, row)
		}
		return out, nil
	}))
	handle(a, "GET /hosts", onControl(c, listHosts))
	handle(a, "POST /hosts", onControl(c, c.addHost))
	handle(a, "DELETE /hosts/{name}", onControl(c, c.removeHost))
	handle(a, "GET /explain/{noun}", onControl(c, explained))
	handle(a, "GET /explain/{noun}/{id}", onControl(c, explain))
	c.imageOperations()
	handle(a, "POST /identity/mappings/{id}/test", onControl(c, tryMapping))
	handle(a, "POST /identity/reset-password", onControl(c, resetPassword))
	handle(a, "POST /identity/bootstrap", onControl(c, bootstrapAgain))
	handle(a, "GET /audit", onControl(c, listAudit))
	handle(a, "GET /audit/{id}", onControl(c, func(ctx context.Context, k *control, r *http.Request, _ nothing) (any, error) {
		return k.audit.Get(ctx, r.PathValue("id"))
	}))
	handle(a, "POST /identity/rotate-keys", onControl(c, func(ctx context.Context, k *control, _ *http.Request, _ nothing) (any, error) {
		return nothing{}, k.identity.RotateKeys(ctx)
	}))
}

func listSagas(ctx context.Context, k *control, r *http.Request, _ nothing) (any, error) {
	q := r.URL.Query()
	f := saga.Filter{Kind: q.Get("kind"), Resource: q.Get("resource")}
	f.Limit, _ = strconv.Atoi(q.Get("limit"))
	for _, s := range q["state"] {
		f.States = append(f.States, saga.State(s))
	}
	list, err := k.sagas.List(ctx, f)
	out := make([]SagaRow, len(list))
	for i, s := range list {
		out[i] = sagaRow(s)
	}
	return out, err
}

func showSaga(ctx context.Context, k *control, r *http.Request, _ nothing) (any, error) {
	d, err := k.sagas.Show(ctx, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	out := SagaDetail{SagaRow: sagaRow(d.Saga)}
	for _, e := range d.Events {
		out.Events = append(out.Events, SagaEvent{Time: e.Time, Name: e.Name, Step: e.Step, Error: errorText(e.Err), Took: e.Since, Data: e.Data})
	}
	return out, nil
}

func sagaRow(s saga.Saga) SagaRow {
	return SagaRow{
		ID: s.ID, Kind: s.Kind, Resource: s.Resource, State: string(s.State), Step: s.Step, Error: errorText(s.Err),
		UserID: s.UserID, ProjectID: s.ProjectID, RequestID: s.RequestID, Owner: s.Owner,
		Created: s.Created, Updated: s.Updated, Ended: s.Ended,
	}
}

func errorText(e *errs.Error) string {
	if e == nil {
		return ""
	}
	return e.Error()
}

// resetPassword gives a user a new password, made here if none was given.
func resetPassword(ctx context.Context, k *control, _ *http.Request, in struct{ User, Domain, Password string }) (any, error) {
	if in.Password == "" {
		in.Password = ids.NewHex()
	}
	if err := k.identity.ResetPassword(ctx, in.User, in.Domain, in.Password); err != nil {
		return nil, err
	}
	if in.User == "admin" && in.Domain == "Default" {
		// "kumoi openrc" must go on to tell the truth.
		if err := k.keepAdminPassword(in.Password); err != nil {
			return nil, err
		}
	}
	return map[string]string{"Password": in.Password}, nil
}
