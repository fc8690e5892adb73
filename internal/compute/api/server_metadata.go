package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

var metadataSchema = fixed(wrapped("metadata", metaType))

type metadataBody struct {
	Metadata map[string]string `json:"metadata"`
}

func (a *metadata) list(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	s, err := a.svc.Servers.Show(ctx, r.Var("server_id"), "server-metadata:index")
	if err != nil {
		return nil, err
	}
	w := rest.NewWriter()
	w.Object("", func() { w.TextMap("metadata", s.Metadata) })
	return w.Response(http.StatusOK), nil
}

func (a *metadata) put(rule string, replace bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		b, err := rest.Body[metadataBody](r, metadataSchema)
		if err != nil {
			return nil, err
		}
		all, err := a.svc.Servers.SetMetadata(ctx, r.Var("server_id"), rule, b.Metadata, replace)
		if err != nil {
			return nil, err
		}
		w := rest.NewWriter()
		w.Object("", func() { w.TextMap("metadata", all) })
		return w.Response(http.StatusOK), nil
	}
}

func (a *metadata) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	s, err := a.svc.Servers.Show(ctx, r.Var("server_id"), "server-metadata:show")
	if err != nil {
		return nil, err
	}
	v, found := s.Metadata[r.Var("key")]
	if !found {
		return nil, errs.New(errs.NotFound, "Metadata item was not found")
	}
	return httpx.JSON(http.StatusOK, object{"meta": object{r.Var("key"): v}}), nil
}

var metaItemSchema = fixed(wrapped("meta", merged(metaType, object{"minProperties": 1, "maxProperties": 1})))

func (a *metadata) putItem(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Meta map[string]string `json:"meta"`
	}](r, metaItemSchema)
	if err != nil {
		return nil, err
	}
	if _, same := b.Meta[r.Var("key")]; !same {
		return nil, bad("Request body and URI mismatch")
	}
	if _, err := a.svc.Servers.SetMetadata(ctx, r.Var("server_id"), "server-metadata:update", b.Meta, false); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"meta": b.Meta}), nil
}

func (a *metadata) delete(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Servers.DeleteMetadata(ctx, r.Var("server_id"), r.Var("key")); err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}
