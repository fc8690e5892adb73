package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

func (a *servers) routes() []httpx.Route {
	routes := []httpx.Route{
		{Method: "GET", Path: "/v2.1/servers", Policy: "os_compute_api:servers:index", Handler: a.list},
		{Method: "GET", Path: "/v2.1/servers/detail", Policy: "os_compute_api:servers:detail", Handler: a.listDetail},
		{
			Method: "POST", Path: "/v2.1/servers", Policy: "os_compute_api:servers:create", Handler: a.create,
			Variants: []string{"min_count-max_count", "block_device_mapping_v2", "os:scheduler_hints"},
		},
		{Method: "GET", Path: "/v2.1/servers/{server_id}", Policy: "os_compute_api:servers:show", Handler: a.show},
		{Method: "PUT", Path: "/v2.1/servers/{server_id}", Policy: "os_compute_api:servers:update", Handler: a.update},
		{Method: "DELETE", Path: "/v2.1/servers/{server_id}", Policy: "os_compute_api:servers:delete", Handler: a.delete},
	}
	// The oldest clients that boot from volumes know these names.
	aliases := map[string]string{
		"/v2.1/servers": "/v2.1/os-volumes_boot", "/v2.1/servers/detail": "/v2.1/os-volumes_boot/detail",
		"/v2.1/servers/{server_id}": "/v2.1/os-volumes_boot/{server_id}",
	}
	for _, r := range routes[:6:6] {
		r.Path, r.Variants = aliases[r.Path], nil
		routes = append(routes, r)
	}
	return routes
}

func (a *servers) list(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return a.page(ctx, r, false)
}

func (a *servers) listDetail(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return a.page(ctx, r, true)
}

func (a *servers) page(ctx context.Context, r *httpx.Request, detail bool) (*httpx.Response, error) {
	q, err := a.query(ctx, r)
	if err != nil {
		return nil, err
	}
	d, err := a.svc.Servers.List(ctx, q, detail)
	if err != nil {
		return nil, serverList.Marked(err, q.Query)
	}
	v := newServerView(r, d)
	item, size := v.brief, 384
	if detail {
		item, size = v.detail, 2048
	}
	w := rest.NewWriter()
	w.Object("", func() {
		w.List("servers", func() { rest.Items(w, d.Servers, size, item) })
		if d.More {
			rest.NovaLinks(w, r, "servers", rest.Part{More: true, Last: d.Servers[len(d.Servers)-1].ID})
		}
	})
	return w.Response(http.StatusOK), nil
}

func (a *servers) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return a.one(ctx, r, "servers:show", http.StatusOK, func(*serverView) {}, func(*rest.Writer) {})
}

// one answers with a server's view; more adds keys of its own.
func (a *servers) one(ctx context.Context, r *httpx.Request, rule string, status int, adjust func(*serverView), more func(*rest.Writer)) (*httpx.Response, error) {
	s, d, err := a.svc.Servers.Describe(ctx, r.Var("server_id"), rule)
	if err != nil {
		return nil, err
	}
	v := newServerView(r, d)
	v.groups = true
	adjust(v)
	w := rest.NewWriter()
	w.Object("", func() {
		w.Object("server", func() {
			v.fields(w, s)
			more(w)
		})
	})
	return w.Response(status), nil
}

func (a *servers) delete(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Servers.Delete(ctx, r.Var("server_id"), "delete"); err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

// bad makes the error for a wrong request.
func bad(format string, args ...any) error { return errs.New(errs.Invalid, format, args...) }
