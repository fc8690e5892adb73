package api

import (
	"context"
	"net/http"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

var updateSchema = perVersion(func(minor int) object {
	p := object{"name": nameType, "OS-DCF:diskConfig": diskConfig, "accessIPv4": ipv4Type, "accessIPv6": ipv6Type}
	if minor >= 19 {
		p["description"] = descType
	}
	if minor >= 94 {
		p["hostname"] = fqdnType
	} else if minor >= 90 {
		p["hostname"] = labelType
	}
	return wrapped("server", strict(nil, p))
})

func (a *servers) update(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Server struct {
			Name        *string                 `json:"name"`
			Hostname    *string                 `json:"hostname"`
			Description change.Optional[string] `json:"description"`
			AccessIPv4  *string                 `json:"accessIPv4"`
			AccessIPv6  *string                 `json:"accessIPv6"`
			DiskConfig  *string                 `json:"OS-DCF:diskConfig"`
		} `json:"server"`
	}](r, updateSchema)
	if err != nil {
		return nil, err
	}
	s := b.Server
	if _, err := a.svc.Servers.Update(ctx, r.Var("server_id"), compute.UpdateServer{
		Name: s.Name, Hostname: s.Hostname, Description: s.Description,
		AccessIPv4: s.AccessIPv4, AccessIPv6: shortestOf(s.AccessIPv6), DiskConfig: s.DiskConfig,
	}); err != nil {
		return nil, err
	}
	return a.one(ctx, r, "servers:update", http.StatusOK, func(v *serverView) { v.full = false }, func(*rest.Writer) {})
}
