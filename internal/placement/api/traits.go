package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/placement"
)

func (a *api) listTraits(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := onlyParams(r, "name", "associated"); err != nil {
		return nil, err
	}
	var f placement.TraitFilter
	if r.Query.Has("name") {
		op, value, ok := strings.Cut(param(r, "name"), ":")
		switch {
		case ok && op == "in":
			f.Names = strings.Split(value, ",")
		case ok && op == "startswith":
			f.Prefix = value
		default:
			return nil, errs.New(errs.Invalid, "Badly formatted name parameter. Expected name query string parameter in form: ?name=[in|startswith]:[name1,name2|prefix]. Got: %.100q", param(r, "name"))
		}
	}
	if r.Query.Has("associated") {
		text := strings.ToLower(param(r, "associated"))
		if text != "true" && text != "false" {
			return nil, errs.New(errs.Invalid, `The query parameter "associated" only accepts "true" or "false", not %.100q.`, text)
		}
		yes := text == "true"
		f.Associated = &yes
	}
	traits, err := a.svc.ListTraits(ctx, f)
	if err != nil {
		return nil, err
	}
	return dated(r, httpx.JSON(http.StatusOK, object{"traits": traits}), time.Time{}), nil
}

func (a *api) showTrait(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.ShowTrait(ctx, r.Var("name")); err != nil {
		return nil, err
	}
	return dated(r, httpx.NoContent(), time.Time{}), nil
}

func (a *api) ensureTrait(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	created, err := a.svc.EnsureTrait(ctx, r.Var("name"))
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
	return dated(r, httpx.Empty(status), time.Time{}).With("Location", location(r, parts...)), nil
}

func (a *api) deleteTrait(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.DeleteTrait(ctx, r.Var("name")))
}

var newClass = compile(body([]string{"name"}, object{"name": text255}))

func viewClass(name string) object {
	return object{"name": name, "links": []object{{"rel": "self", "href": path("resource_classes", name)}}}
}

func (a *api) listClasses(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	names, err := a.svc.ListClasses(ctx)
	if err != nil {
		return nil, err
	}
	views := make([]object, 0, len(names))
	for _, n := range names {
		views = append(views, viewClass(n))
	}
	return dated(r, httpx.JSON(http.StatusOK, object{"resource_classes": views}), time.Time{}), nil
}

func (a *api) createClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := decode(r, newClass, &in); err != nil {
		return nil, err
	}
	if err := a.svc.CreateClass(ctx, in.Name); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusCreated).With("Location", location(r, "resource_classes", in.Name)), nil
}

func (a *api) showClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.ShowClass(ctx, r.Var("name")); err != nil {
		return nil, err
	}
	return dated(r, httpx.JSON(http.StatusOK, viewClass(r.Var("name"))), time.Time{}), nil
}

func (a *api) ensureClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	created, err := a.svc.EnsureClass(ctx, r.Var("name"))
	return ensured(r, created, err, "resource_classes", r.Var("name"))
}

func (a *api) renameClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := decode(r, newClass, &in); err != nil {
		return nil, err
	}
	if err := a.svc.RenameClass(ctx, r.Var("name"), in.Name); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, viewClass(in.Name)), nil
}

func (a *api) deleteClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.DeleteClass(ctx, r.Var("name")))
}
