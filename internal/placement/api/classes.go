package api

import (
	"context"
	"net/http"
	"time"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
)

type class struct {
	Name string `json:"name"`
}

var classBody = bodySchema(func(int) schema.Object { return objectSchema([]string{"name"}, schema.Object{"name": text255}) })

func viewClass(w *rest.Writer, name string) {
	w.Text("name", name)
	w.List("links", func() { w.Link("self", path("resource_classes", name)) })
}

func (a *api) listClasses(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	names, err := a.svc.Classes.List(ctx)
	if err != nil {
		return nil, err
	}
	return answer(r, http.StatusOK, time.Time{}, func(w *rest.Writer) {
		w.List("resource_classes", func() {
			for _, name := range names {
				w.Object("", func() { viewClass(w, name) })
			}
		})
	}), nil
}

func (a *api) createClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := rest.Body[class](r, classBody)
	if err != nil {
		return nil, err
	}
	if err := a.svc.Classes.Create(ctx, in.Name); err != nil {
		return nil, err
	}
	return located(r, httpx.Empty(http.StatusCreated), "resource_classes", in.Name), nil
}

func (a *api) showClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Classes.Show(ctx, r.Var("name")); err != nil {
		return nil, err
	}
	return answer(r, http.StatusOK, time.Time{}, func(w *rest.Writer) { viewClass(w, r.Var("name")) }), nil
}

func (a *api) ensureClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	created, err := a.svc.Classes.Ensure(ctx, r.Var("name"))
	return ensured(r, created, err, "resource_classes", r.Var("name"))
}

func (a *api) renameClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := rest.Body[class](r, classBody)
	if err != nil {
		return nil, err
	}
	if err := a.svc.Classes.Rename(ctx, r.Var("name"), in.Name); err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) { w.Object("", func() { viewClass(w, in.Name) }) }), nil
}

func (a *api) deleteClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Classes.Delete(ctx, r.Var("name")))
}
