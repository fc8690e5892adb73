package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

var consoleSchema = perVersion(func(minor int) object {
	protocols, types := list{"vnc", "spice", "serial", "rdp"}, list{"novnc", "xvpvnc", "spice-html5", "serial", "rdp-html5"}
	if minor >= 8 {
		protocols, types = append(protocols, "mks"), append(types, "webmks")
	}
	if minor >= 99 {
		types = append(types, "spice-direct")
	}
	return wrapped("remote_console", strict(list{"protocol", "type"}, object{
		"protocol": object{"type": "string", "enum": protocols}, "type": object{"type": "string", "enum": types},
	}))
})

func (a *consoles) remoteConsole(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Console struct{ Protocol, Type string } `json:"remote_console"`
	}](r, consoleSchema)
	if err != nil {
		return nil, err
	}
	c, err := a.svc.Consoles.Create(ctx, r.Var("server_id"), b.Console.Protocol, b.Console.Type)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"remote_console": object{
		"protocol": b.Console.Protocol, "type": b.Console.Type, "url": c.URL(r.Base()),
	}}), nil
}

// oldConsole is an action that asked for one kind of console, before 2.6.
func (a *consoles) oldConsole(action, protocol string, types ...any) httpx.Handler {
	s := fixed(wrapped(action, strict(list{"type"}, object{"type": object{"type": "string", "enum": types}})))
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		b, err := rest.Body[map[string]struct{ Type string }](r, s)
		if err != nil {
			return nil, err
		}
		c, err := a.svc.Consoles.Create(ctx, r.Var("server_id"), protocol, b[action].Type)
		if err != nil {
			return nil, err
		}
		return httpx.JSON(http.StatusOK, object{"console": object{"type": b[action].Type, "url": c.URL(r.Base())}}), nil
	}
}

// consoleToken tells administrators where a token leads. Until 2.30 it told of
// RDP consoles alone, which are no more: Nova answers 400. A guest's console
// listens on no port; it is reached through kumoi.
func (a *consoles) consoleToken(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	srv, err := a.svc.Consoles.Show(ctx, r.Var("console_token"))
	if !r.AtLeast(2, 31) && !errs.Is(err, errs.Forbidden) {
		return nil, bad("Version %s of this API shows tokens of RDP consoles only, which this cloud has not; use 2.31 or later.", r.Version)
	}
	if err != nil {
		return nil, err
	}
	out := object{"instance_uuid": srv.ID, "host": srv.Host, "port": 0, "internal_access_path": nil}
	if r.AtLeast(2, 99) {
		out["tls_port"] = nil
	}
	return httpx.JSON(http.StatusOK, object{"console": out}), nil
}
