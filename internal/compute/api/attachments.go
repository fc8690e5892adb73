package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/kernel/rest"
)

// routes are volumes, shares and live migrations of a server. A cloud
// without the services behind them answers as one in which nothing is attached
// and nothing to attach exists.
func (a *attachments) routes() []httpx.Route {
	const base = "/v2.1/servers/{server_id}"
	const policy = "os_compute_api:"
	shares := micro.V(2, 97)
	return []httpx.Route{
		{Method: "GET", Path: base + "/os-volume_attachments", Policy: policy + "os-volumes-attachments:index", Handler: a.list},
		{Method: "POST", Path: base + "/os-volume_attachments", Policy: policy + "os-volumes-attachments:create", Handler: a.attach},
		{Method: "GET", Path: base + "/os-volume_attachments/{volume_id}", Policy: policy + "os-volumes-attachments:show", Handler: a.show},
		{
			Method: "PUT", Path: base + "/os-volume_attachments/{volume_id}", Policy: policy + "os-volumes-attachments:update",
			Variants: []string{"delete_on_termination", "volumeId"}, Handler: a.update,
		},
		{Method: "DELETE", Path: base + "/os-volume_attachments/{volume_id}", Policy: policy + "os-volumes-attachments:delete", Handler: a.detach},

		{Method: "GET", Path: base + "/shares", Min: shares, Policy: policy + "os-server-shares:index", Handler: a.emptyPart("os-server-shares:index", "shares")},
		{Method: "POST", Path: base + "/shares", Min: shares, Policy: policy + "os-server-shares:create", Handler: a.attachShare},
		{Method: "GET", Path: base + "/shares/{share_id}", Min: shares, Policy: policy + "os-server-shares:show", Handler: a.noShare("os-server-shares:show")},
		{Method: "DELETE", Path: base + "/shares/{share_id}", Min: shares, Policy: policy + "os-server-shares:delete", Handler: a.noShare("os-server-shares:delete")},

		{Method: "GET", Path: base + "/migrations", Min: micro.V(2, 23), Policy: policy + "servers:migrations:index", Handler: a.liveMigrations},
		{Method: "GET", Path: base + "/migrations/{migration_id}", Min: micro.V(2, 23), Policy: policy + "servers:migrations:show", Handler: a.noLiveMigration("servers:migrations:show")},
		{Method: "DELETE", Path: base + "/migrations/{migration_id}", Min: micro.V(2, 24), Policy: policy + "servers:migrations:delete", Handler: a.noLiveMigration("servers:migrations:delete")},
		{
			Method: "POST", Path: base + "/migrations/{migration_id}/action", Action: "force_complete", Min: micro.V(2, 22),
			Policy: policy + "servers:migrations:force_complete", Handler: a.noLiveMigration("servers:migrations:force_complete"),
		},
	}
}

func (a *attachments) emptyPart(rule, key string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if _, err := a.svc.Servers.Show(ctx, r.Var("server_id"), rule); err != nil {
			return nil, err
		}
		return httpx.JSON(http.StatusOK, object{key: []object{}}), nil
	}
}

var attachShareSchema = fixed(wrapped("share", strict(list{"share_id"}, object{"share_id": uuidType, "tag": tagType})))

func (a *attachments) attachShare(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Share struct {
			ID string `json:"share_id"`
		} `json:"share"`
	}](r, attachShareSchema)
	if err != nil {
		return nil, err
	}
	if _, err := a.svc.Servers.Show(ctx, r.Var("server_id"), "os-server-shares:create"); err != nil {
		return nil, err
	}
	return nil, notHere("Share", b.Share.ID)
}

func (a *attachments) noShare(rule string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if _, err := a.svc.Servers.Show(ctx, r.Var("server_id"), rule); err != nil {
			return nil, err
		}
		return nil, errs.New(errs.NotFound, "Instance %s has no share %s attached", r.Var("server_id"), r.Var("share_id"))
	}
}

func (a *attachments) liveMigrations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Migrations.InProgress(ctx, r.Var("server_id"), "servers:migrations:index"); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"migrations": []object{}}), nil
}

func (a *attachments) noLiveMigration(rule string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if err := a.svc.Migrations.InProgress(ctx, r.Var("server_id"), rule); err != nil {
			return nil, err
		}
		return nil, errs.New(errs.NotFound, "In-progress live migration %s is not found for server %s.", r.Var("migration_id"), r.Var("server_id"))
	}
}
