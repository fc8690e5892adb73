package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/placement"
)

func (a *api) listTraits(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	f, err := traitFilter(r)
	if err != nil {
		return nil, err
	}
	traits, err := a.svc.Traits.List(ctx, f)
	if err != nil {
		return nil, err
	}
	return answer(r, http.StatusOK, time.Time{}, func(w *rest.Writer) { w.Texts("traits", traits) }), nil
}

func traitFilter(r *httpx.Request) (f placement.TraitFilter, err error) {
	if err := onlyParams(r, "name", "associated"); err != nil {
		return f, err
	}
	if r.Query.Has("name") {
		op, value, ok := strings.Cut(param(r, "name"), ":")
		switch {
		case ok && op == "in":
			f.Names = strings.Split(value, ",")
		case ok && op == "startswith":
			f.Prefix = value
		default:
			return f, errs.New(errs.Invalid, "Badly formatted name parameter. Expected name query string parameter in form: ?name=[in|startswith]:[name1,name2|prefix]. Got: %.100q", param(r, "name"))
		}
	}
	if r.Query.Has("associated") {
		text := strings.ToLower(param(r, "associated"))
		if text != "true" && text != "false" {
			return f, errs.New(errs.Invalid, `The query parameter "associated" only accepts "true" or "false", not %.100q.`, text)
		}
		yes := text == "true"
		f.Associated = &yes
	}
	return f, nil
}

func (a *api) showTrait(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Traits.Show(ctx, r.Var("name")); err != nil {
		return nil, err
	}
	return dated(r, httpx.NoContent(), time.Time{}), nil
}

func (a *api) ensureTrait(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	created, err := a.svc.Traits.Ensure(ctx, r.Var("name"))
	return ensured(r, created, err, "traits", r.Var("name"))
}

// ensured answers 201 for what is new and 204 for what was there.
func ensured(r *httpx.Request, created bool, err error, parts ...string) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	status := http.StatusNoContent
	if created {
		status = http.StatusCreated
	}
	return located(r, dated(r, httpx.Empty(status), time.Time{}), parts...), nil
}

func (a *api) deleteTrait(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Traits.Delete(ctx, r.Var("name")))
}
