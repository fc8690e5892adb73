package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

const metadataType = "application/samlmetadata+xml"

func (h *handlers) serviceProviderMetadata(_ context.Context, r *httpx.Request) (*httpx.Response, error) {
	text, err := h.svc.SSO.Metadata(r.Var("idp_id"), r.Var("protocol_id"))
	if err != nil {
		return nil, err
	}
	return (&httpx.Response{Status: http.StatusOK, Raw: text}).With("Content-Type", metadataType), nil
}

func (h *handlers) issuerMetadata(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	text, err := h.svc.SSO.IssuerMetadata(ctx)
	if err != nil {
		return nil, err
	}
	return (&httpx.Response{Status: http.StatusOK, Raw: text}).With("Content-Type", "text/xml"), nil
}

// finishEnhanced takes the response that an enhanced client brings and sends it
// back to where it began, with a ticket for the token.
func (h *handlers) finishEnhanced(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	body, err := r.Body()
	if err != nil {
		return nil, err
	}
	ticket, err := h.svc.SSO.FinishSAML(ctx, r.Var("idp_id"), r.Var("protocol_id"), body, "", true)
	if err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusSeeOther).With("Location", root(r)+r.HTTP.URL.EscapedPath()).
		With("Set-Cookie", cookie(r, ticketCookie, ticket, 120)), nil
}

// finishBrowserSAML takes the form that the identity provider's page posts. A
// browser does not send our cookie along with another site's form, so the token
// is delivered one step later, when it comes by our own redirect.
func (h *handlers) finishBrowserSAML(ctx context.Context, r *httpx.Request, response, relay, here string) (*httpx.Response, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(response), ""))
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "SAMLResponse is not base64.")
	}
	ticket, err := h.svc.SSO.FinishSAML(ctx, r.Var("idp_id"), r.Var("protocol_id"), raw, relay, false)
	if err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusSeeOther).With("Location", here+"?ticket="+url.QueryEscape(ticket)).With("Referrer-Policy", "no-referrer"), nil
}

var assertionBody = schema.Of(schema.Object{
	"type": "object", "required": schema.List{"identity", "scope"},
	"properties": schema.Object{
		"identity": schema.Object{"type": "object", "required": schema.List{"methods", "token"}, "properties": schema.Object{
			"methods": schema.Object{"type": "array", "items": schema.Object{"enum": schema.List{"token"}}, "minItems": 1, "maxItems": 1},
			"token":   schema.Object{"type": "object", "required": schema.List{"id"}, "properties": schema.Object{"id": text}},
		}},
		"scope": schema.Object{"type": "object", "required": schema.List{"service_provider"}, "properties": schema.Object{
			"service_provider": schema.Object{"type": "object", "required": schema.List{"id"}, "properties": schema.Object{"id": text}},
		}},
	},
})

// issueAssertion vouches for the bearer of a token at another cloud.
func (h *handlers) issueAssertion(enclose bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		auth, err := readObject(r, "auth", assertionBody)
		if err != nil {
			return nil, err
		}
		token := str(sub(sub(auth, "identity"), "token"), "id")
		xml, sp, err := h.svc.SSO.IssueAssertion(ctx, token, str(sub(sub(auth, "scope"), "service_provider"), "id"), enclose)
		if err != nil {
			return nil, err
		}
		return (&httpx.Response{Status: http.StatusOK, Raw: xml}).With("Content-Type", "text/xml").
			With("X-Sp-Url", sp.SPURL).With("X-Auth-Url", sp.AuthURL), nil
	}
}
