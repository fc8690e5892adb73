package api

import (
	"context"
	"net/http"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

// legacyRoutes answer what old clients still ask for.
func (h *handlers) legacyRoutes() []httpx.Route {
	gone := func(context.Context, *httpx.Request) (*httpx.Response, error) {
		return nil, errs.New(errs.Gone, "This resource went with PKI tokens; there is nothing in its place.")
	}
	revoked := func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if err := h.svc.Tokens.MayListRevoked(ctx); err != nil {
			return nil, err
		}
		return gone(ctx, r)
	}
	return []httpx.Route{
		get("/v3/OS-REVOKE/events", "identity:list_revoke_events", h.listRevocations),
		public(get("/v3/OS-SIMPLE-CERT/ca", "", gone)),
		public(get("/v3/OS-SIMPLE-CERT/certificates", "", gone)),
		get("/v3/auth/tokens/OS-PKI/revoked", "identity:revocation_list", revoked),
	}
}

func revocationView(_ *httpx.Request, e identity.Revocation) object {
	key := map[string]string{
		"user": "user_id", "project": "project_id", "audit": "audit_id", "chain": "audit_chain_id", "trust": "OS-TRUST:trust_id",
		"access": "OS-OAUTH1:access_token_id",
	}[e.Kind]
	if key == "" {
		key = e.Kind
	}
	return object{key: e.Of, "issued_before": when(e.IssuedBefore)}
}

func (h *handlers) listRevocations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.Tokens.Revocations(ctx)
	if err != nil {
		return nil, err
	}
	events := make([]object, len(rows))
	for i, e := range rows {
		events[i] = revocationView(r, e)
	}
	return httpx.JSON(http.StatusOK, object{"events": events, "links": object{"self": r.PageURL(nil), "previous": nil, "next": nil}}), nil
}
