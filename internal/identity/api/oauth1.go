package api

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"kumoi/internal/identity"
	"kumoi/internal/identity/oauth1"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
)

var (
	consumerBody = schema.Of(schema.Object{"type": "object", "properties": schema.Object{"description": nullText}})
	authorize    = schema.Of(schema.Object{"type": "object", "required": schema.List{"roles"}, "properties": schema.Object{
		"roles": schema.Object{"type": "array", "minItems": 1, "items": roleRefs["items"]},
	}})
)

func (h *handlers) oauth1Routes() []httpx.Route {
	const (
		base   = "/v3/OS-OAUTH1"
		tokens = "/v3/users/{user_id}/OS-OAUTH1/access_tokens"
		token  = tokens + "/{access_token_id}"
	)
	public := func(path string, f httpx.Handler) httpx.Route {
		r := route(http.MethodPost, path, "", f)
		r.Public = true // the signature stands for the token
		return r
	}
	return append(consumers(h.svc).Routes(),
		public(base+"/request_token", h.requestToken),
		public(base+"/access_token", h.accessToken),
		route(http.MethodPut, base+"/authorize/{request_token_id}", "identity:authorize_request_token", h.authorizeRequest),
		get(tokens, "identity:list_access_tokens", h.listAccessTokens),
		get(token, "identity:get_access_token", h.showAccessToken),
		route(http.MethodDelete, token, "identity:delete_access_token", done(func(ctx context.Context, r *httpx.Request) error {
			return h.svc.OAuth1.Tokens.Delete(ctx, r.Var("user_id"), r.Var("access_token_id"))
		})),
		get(token+"/roles", "identity:list_access_token_roles", h.accessTokenRoles),
		get(token+"/roles/{role_id}", "identity:get_access_token_role", h.accessTokenRole),
	)
}

func consumers(svc *identity.Service) *resource[oauth1.Consumer] {
	return ordinary(resource[oauth1.Consumer]{
		Path: "/v3/OS-OAUTH1/consumers", Item: "consumer_id", One: "consumer", Many: "consumers", Query: listOf(),
		View: view(func(w *rest.Writer, r *httpx.Request, v *oauth1.Consumer) {
			w.Text("id", v.ID)
			w.TextOrNull("description", v.Description)
			links(w, r, "/OS-OAUTH1/consumers/"+v.ID)
			if r.HTTP.Method == http.MethodPost {
				w.Text("secret", v.Secret) // shown once
			}
			extra(w, v.Extra, "description", "secret")
		}),
	}, svc.OAuth1.Consumers, consumerBody, consumerBody, func(o object, v *oauth1.Consumer) error {
		if _, ok := o["secret"]; ok {
			return errs.New(errs.Invalid, "A consumer's secret cannot be chosen.")
		}
		patch{o}.text("description", &v.Description)
		patch{o}.extra(&v.Extra, "description", "secret")
		return nil
	}, func(v *oauth1.Consumer) *string { return &v.ID })
}

// oauth1Request reads a request's OAuth header.
func oauth1Request(r *httpx.Request) (*oauth1.Request, error) {
	rest, ok := strings.CutPrefix(r.HTTP.Header.Get("Authorization"), "OAuth ")
	if !ok {
		return nil, errs.New(errs.Invalid, "The request must be signed: the header Authorization: OAuth ... is missing.")
	}
	a := &oauth1.Request{Method: r.HTTP.Method, Params: map[string]string{}, Query: r.Query}
	for part := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		value, err := url.PathUnescape(strings.Trim(v, `"`))
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "The OAuth header is malformed at %.40q.", part)
		}
		a.Params[k] = value
	}
	a.URL = baseURL(root(r)) + r.HTTP.URL.EscapedPath()
	// What a form says is signed as well.
	if kind, _, _ := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type")); kind == "application/x-www-form-urlencoded" {
		if err := r.HTTP.ParseForm(); err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "The form in the body is malformed: %s.", err)
		}
		a.Query = r.HTTP.Form // which holds the query too
	}
	return a, nil
}

// baseURL is a cloud's address as it is signed: in lower case, and without the
// port that goes without saying (RFC 5849, 3.4.1.2).
func baseURL(address string) string {
	address = strings.ToLower(address)
	if u, err := url.Parse(address); err == nil && (u.Scheme == "http" && u.Port() == "80" || u.Scheme == "https" && u.Port() == "443") {
		u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
		return u.String()
	}
	return address
}

// form answers a token the way OAuth1 does. Clients take the text apart without
// decoding it, so the time stands there as it is.
func form(t oauth1.Token) *httpx.Response {
	text := fmt.Sprintf("oauth_token=%s&oauth_token_secret=%s&oauth_expires_at=%s", t.ID, t.Secret, when(t.ExpiresAt))
	return (&httpx.Response{Status: http.StatusCreated, Raw: []byte(text)}).With("Content-Type", "application/x-www-form-urlencoded")
}

func (h *handlers) requestToken(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	a, err := oauth1Request(r)
	if err != nil {
		return nil, err
	}
	project := r.HTTP.Header.Get("Requested-Project-Id")
	if project == "" || a.Params["oauth_consumer_key"] == "" {
		return nil, errs.New(errs.Invalid, "A request token needs oauth_consumer_key and the header Requested-Project-Id.")
	}
	t, err := h.svc.OAuth1.Tokens.Request(ctx, a, project)
	if err != nil {
		return nil, err
	}
	resp := form(t)
	resp.Raw = append(resp.Raw, "&oauth_callback_confirmed=true"...) // RFC 5849 (2.1) promises it, and clients insist
	return resp, nil
}

func (h *handlers) accessToken(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	a, err := oauth1Request(r)
	if err != nil {
		return nil, err
	}
	for _, k := range []string{"oauth_consumer_key", "oauth_token", "oauth_verifier"} {
		if a.Params[k] == "" {
			return nil, errs.New(errs.Invalid, "An access token needs %s.", k)
		}
	}
	t, err := h.svc.OAuth1.Tokens.Access(ctx, a)
	if err != nil {
		return nil, err
	}
	return form(t), nil
}

func (h *handlers) authorizeRequest(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := r.Object()
	if err != nil {
		return nil, err
	}
	if err := authorize.Validate(o); err != nil {
		return nil, err
	}
	var roles []oauth1.Role
	for _, ref := range refs(o["roles"]) {
		roles = append(roles, oauth1.Role{ID: ref.ID, Name: ref.Name})
	}
	verifier, err := h.svc.OAuth1.Tokens.Authorize(ctx, r.Var("request_token_id"), roles)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"token": object{"oauth_verifier": verifier}}), nil
}

var accessTokens = shown("access_token", "access_tokens", func(w *rest.Writer, r *httpx.Request, t *oauth1.Token) {
	base := "/users/" + t.UserID + "/OS-OAUTH1/access_tokens/" + t.ID
	w.Text("id", t.ID)
	w.Text("consumer_id", t.ConsumerID)
	w.Text("project_id", t.ProjectID)
	w.Text("authorizing_user_id", t.UserID)
	w.Time("expires_at", t.ExpiresAt, rest.MicrosZ)
	w.Object("links", func() {
		w.Text("self", v3(r, "%s", base))
		w.Text("roles", v3(r, "%s/roles", base))
	})
})

func (h *handlers) listAccessTokens(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.OAuth1.Tokens.List(ctx, r.Var("user_id"))
	return all(ctx, r, accessTokens, rows, err)
}

func (h *handlers) showAccessToken(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := h.svc.OAuth1.Tokens.Show(ctx, r.Var("user_id"), r.Var("access_token_id"))
	return accessTokens.Answer(ctx, r, http.StatusOK, t, err)
}

func (h *handlers) accessTokenRoles(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.Roles.OfAccessToken(ctx, "identity:list_access_token_roles", r.Var("user_id"), r.Var("access_token_id"))
	return all(ctx, r, h.roles, rows, err)
}

func (h *handlers) accessTokenRole(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.Roles.OfAccessToken(ctx, "identity:get_access_token_role", r.Var("user_id"), r.Var("access_token_id"))
	return h.roleAmong(ctx, r, rows, err)
}
