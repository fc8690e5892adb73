package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"kumoi/internal/identity"
	"kumoi/internal/identity/catalog"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

func (h *handlers) tokenRoutes() []httpx.Route {
	login := public(route(http.MethodPost, "/v3/auth/tokens", "", h.login))
	login.Variants = []string{
		"password", "token", "application_credential", "totp", "multi-method", "external", "mapped",
		"oauth1", "trust", "unscoped", "project-scope", "domain-scope", "system-scope",
	}
	return []httpx.Route{
		login,
		get("/v3/auth/tokens", "identity:validate_token", h.validateToken),
		route(http.MethodHead, "/v3/auth/tokens", "identity:check_token", h.checkToken),
		route(http.MethodDelete, "/v3/auth/tokens", "identity:revoke_token", done(h.revokeToken)),
		get("/v3/auth/catalog", "identity:get_auth_catalog", h.catalog),
		get("/v3/auth/projects", "identity:get_auth_projects", h.myProjects),
		get("/v3/auth/domains", "identity:get_auth_domains", h.myDomains),
		get("/v3/auth/system", "identity:get_auth_system", h.mySystem),
	}
}

var (
	text     = schema.Object{"type": "string"}
	domainIs = schema.Object{"type": "object", "properties": schema.Object{"id": text, "name": text}}
	userIs   = schema.Object{"type": "object", "properties": schema.Object{
		"id": text, "name": text, "domain": domainIs, "password": text, "passcode": text,
	}}
)

// authSchema checks the shapes; which methods there are and what each needs is
// found out when they run.
var authSchema = schema.Of(schema.Object{
	"type": "object", "required": schema.List{"identity"},
	"properties": schema.Object{
		"identity": schema.Object{
			"type": "object", "required": schema.List{"methods"},
			"properties": schema.Object{
				"methods":  schema.Object{"type": "array", "items": text, "maxItems": 16},
				"password": schema.Object{"type": "object", "required": schema.List{"user"}, "properties": schema.Object{"user": userIs}},
				"totp":     schema.Object{"type": "object", "required": schema.List{"user"}, "properties": schema.Object{"user": userIs}},
				"token":    schema.Object{"type": "object", "required": schema.List{"id"}, "properties": schema.Object{"id": text}},
				"application_credential": schema.Object{
					"type": "object", "required": schema.List{"secret"},
					"properties": schema.Object{"id": text, "name": text, "secret": text, "user": userIs},
				},
			},
		},
		"scope": schema.Object{"anyOf": schema.List{
			schema.Object{"type": "null"},
			schema.Object{"enum": schema.List{"unscoped"}},
			schema.Object{"type": "object", "properties": schema.Object{
				"project":        schema.Object{"type": "object", "properties": schema.Object{"id": text, "name": text, "domain": domainIs}},
				"domain":         domainIs,
				"OS-TRUST:trust": schema.Object{"type": "object", "properties": schema.Object{"id": text}},
				"system":         schema.Object{"type": "object", "properties": schema.Object{"all": schema.Object{"type": "boolean"}}},
				"unscoped":       schema.Object{"type": "object"},
			}},
		}},
	},
})

func (h *handlers) login(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	auth, err := readObject(r, "auth", authSchema)
	if err != nil {
		return nil, err
	}
	req, err := authRequest(auth)
	if err != nil {
		return nil, err
	}
	if slices.Contains(req.Methods, identity.OAuth1Method) {
		if req.OAuth1, err = oauth1Request(r); err != nil {
			return nil, err
		}
	}
	req.Receipt = r.HTTP.Header.Get("Openstack-Auth-Receipt")
	issued, err := h.svc.Login(ctx, req)
	if err != nil {
		return nil, err
	}
	return h.tokenResponse(ctx, r, http.StatusCreated, issued.Session, issued.Text)
}

func str(o object, key string) string {
	s, _ := o[key].(string)
	return s
}

func sub(o object, key string) object {
	m, _ := o[key].(object)
	return m
}

func ref(o object) identity.Ref {
	d := sub(o, "domain")
	return identity.Ref{ID: str(o, "id"), Name: str(o, "name"), DomainID: str(d, "id"), DomainName: str(d, "name")}
}

// named refuses a reference that names nothing, or a name without its domain.
func named(what string, r identity.Ref, domain bool) error {
	switch {
	case r.ID != "":
		return nil
	case r.Name == "":
		return errs.New(errs.Invalid, "Expecting to find id or name in %s.", what)
	case domain && r.DomainID == "" && r.DomainName == "":
		return errs.New(errs.Invalid, "Expecting to find domain in %s.", what)
	}
	return nil
}

func authRequest(auth object) (identity.AuthRequest, error) {
	id := sub(auth, "identity")
	var req identity.AuthRequest
	methods, _ := id["methods"].([]any)
	for _, m := range methods {
		if name := m.(string); !slices.Contains(req.Methods, name) { // each is tried once, however often it is named
			req.Methods = append(req.Methods, name)
		}
	}
	for _, m := range req.Methods {
		data, ok := id[m].(object)
		if !ok && (m == identity.PasswordMethod || m == identity.TokenMethod || m == identity.AppCredMethod || m == identity.TOTPMethod) {
			return req, errs.New(errs.Invalid, "Expecting to find %s in identity.", m)
		}
		if err := methodData(&req, m, data); err != nil {
			return req, err
		}
	}
	var err error
	req.Scope, err = scopeRequest(auth["scope"])
	return req, err
}

func methodData(req *identity.AuthRequest, method string, data object) error {
	switch method {
	case identity.PasswordMethod, identity.TOTPMethod:
		u := sub(data, "user")
		key := map[string]string{identity.PasswordMethod: "password", identity.TOTPMethod: "passcode"}[method]
		if _, ok := u[key]; !ok {
			return errs.New(errs.Invalid, "Expecting to find %s in user.", key)
		}
		a := &identity.PasswordAuth{User: ref(u), Secret: str(u, key)}
		if err := named("user", a.User, true); err != nil {
			return err
		}
		if method == identity.TOTPMethod {
			req.TOTP = a
		} else {
			req.Password = a
		}
	case identity.TokenMethod, identity.MappedMethod:
		req.Token = str(data, "id")
	case identity.AppCredMethod:
		req.AppCred = &identity.AppCredAuth{ID: str(data, "id"), Name: str(data, "name"), User: ref(sub(data, "user")), Secret: str(data, "secret")}
		if req.AppCred.ID == "" {
			if req.AppCred.Name == "" {
				return errs.New(errs.Invalid, "Expecting to find id or name in application_credential.")
			}
			return named("user", req.AppCred.User, true)
		}
	}
	return nil
}

func scopeRequest(v any) (identity.ScopeRequest, error) {
	var s identity.ScopeRequest
	if v == "unscoped" {
		s.Unscoped = true
		return s, nil
	}
	scope, ok := v.(object)
	if !ok {
		return s, nil
	}
	kinds := 0
	if p, ok := scope["project"].(object); ok {
		kinds++
		x := ref(p)
		if err := named("project", x, true); err != nil {
			return s, err
		}
		s.Project = &x
	}
	if d, ok := scope["domain"].(object); ok {
		kinds++
		x := ref(d)
		if err := named("domain", x, false); err != nil {
			return s, err
		}
		s.Domain = &x
	}
	if t, ok := scope["OS-TRUST:trust"].(object); ok {
		kinds++
		if s.TrustID = str(t, "id"); s.TrustID == "" {
			return s, errs.New(errs.Invalid, "Expecting to find id in OS-TRUST:trust.")
		}
	}
	if sys, ok := scope["system"].(object); ok {
		kinds++
		if all, _ := sys["all"].(bool); !all {
			return s, errs.New(errs.Invalid, "The only system scope is {\"all\": true}.")
		}
		s.System = true
	}
	if _, ok := scope["unscoped"]; ok {
		kinds++
		s.Unscoped = true
	}
	if kinds != 1 {
		return s, errs.New(errs.Invalid, "A scope names exactly one of project, domain, system, OS-TRUST:trust or unscoped; found %d.", kinds)
	}
	return s, nil
}

func (h *handlers) tokenResponse(ctx context.Context, r *httpx.Request, status int, se *identity.Session, token string) (*httpx.Response, error) {
	text, err := se.View(root(r)+"|"+strconv.FormatBool(r.Query.Has("nocatalog")), func() ([]byte, error) {
		view, err := h.tokenView(ctx, r, se)
		if err != nil {
			return nil, err
		}
		return httpx.EncodeJSON(object{"token": view})
	})
	if err != nil {
		return nil, err
	}
	return (&httpx.Response{Status: status, Raw: text}).With("Content-Type", "application/json").With("X-Subject-Token", token), nil
}

func domainView(d identity.Project) object { return object{"id": d.ID, "name": d.Name} }

// tokenView words what a token stands for.
func (h *handlers) tokenView(ctx context.Context, r *httpx.Request, se *identity.Session) (object, error) {
	user := object{"id": se.User.ID, "name": se.User.Name, "domain": domainView(se.UserDomain), "password_expires_at": when(se.User.PasswordExpiresAt)}
	if se.Token.IdPID != "" {
		groups := make([]object, len(se.GroupIDs))
		for i, g := range se.GroupIDs {
			groups[i] = object{"id": g}
		}
		user["OS-FEDERATION"] = object{
			"identity_provider": object{"id": se.Token.IdPID}, "protocol": object{"id": se.Token.ProtocolID}, "groups": groups,
		}
		delete(user, "password_expires_at")
	}
	v := object{
		"methods": se.Token.Methods, "user": user, "audit_ids": se.Token.AuditIDs,
		"issued_at": when(se.Token.IssuedAt), "expires_at": when(se.Token.ExpiresAt),
	}
	switch {
	case se.Project != nil && se.Project.IsDomain:
		v["project"] = object{"id": se.Project.ID, "name": se.Project.Name, "domain": object{"id": nil, "name": nil}}
		v["is_domain"] = true
	case se.Project != nil:
		v["project"] = object{"id": se.Project.ID, "name": se.Project.Name, "domain": domainView(se.ProjectDomain)}
		v["is_domain"] = false
	case se.Domain != nil:
		v["domain"] = domainView(*se.Domain)
	case se.System:
		v["system"] = object{"all": true}
	default:
		return v, nil
	}
	roles := make([]object, len(se.Roles))
	for i, role := range se.Roles {
		roles[i] = object{"id": role.ID, "name": role.Name}
	}
	v["roles"] = roles
	delegations(v, se)
	if r.Query.Has("nocatalog") {
		return v, nil
	}
	catalog, err := h.svc.RenderCatalog(ctx, se, root(r), func(items []catalog.Item) ([]byte, error) {
		return httpx.EncodeJSON(catalogView(r, items, se))
	})
	if err != nil {
		return nil, err
	}
	v["catalog"] = httpx.RawJSON(catalog)
	providers, err := h.svc.TokenServiceProviders(ctx)
	if len(providers) > 0 {
		list := make([]object, len(providers))
		for i, p := range providers {
			list[i] = object{"id": p.ID, "auth_url": p.AuthURL, "sp_url": p.SPURL}
		}
		v["service_providers"] = list
	}
	return v, err
}

func delegations(v object, se *identity.Session) {
	if t := se.Trust; t != nil {
		v["OS-TRUST:trust"] = object{
			"id": t.ID, "impersonation": t.Impersonation,
			"trustor_user": object{"id": t.TrustorUserID}, "trustee_user": object{"id": t.TrusteeUserID},
		}
	}
	if a := se.AppCred; a != nil {
		c := object{"id": a.ID, "name": a.Name, "restricted": !a.Unrestricted}
		if len(a.AccessRules) > 0 {
			rules := make([]object, len(a.AccessRules))
			for i, rule := range a.AccessRules {
				rules[i] = object{"id": rule.ID, "service": rule.Service, "path": rule.Path, "method": rule.Method}
			}
			c["access_rules"] = rules
		}
		v["application_credential"] = c
	}
	if t := se.AccessToken; t != nil {
		v["OS-OAUTH1"] = object{"access_token_id": t.ID, "consumer_id": t.ConsumerID}
	}
}

func catalogView(r *httpx.Request, items []catalog.Item, se *identity.Session) []object {
	out := make([]object, 0, len(items))
	for _, it := range items {
		endpoints := make([]object, 0, len(it.Endpoints))
		for _, e := range it.Endpoints {
			if url, ok := identity.RenderURL(e.URL, root(r), se); ok {
				endpoints = append(endpoints, object{"id": e.ID, "interface": e.Interface, "url": url, "region": orNull(e.RegionID), "region_id": orNull(e.RegionID)})
			}
		}
		out = append(out, object{"id": it.ID, "type": it.Type, "name": it.Name, "endpoints": endpoints})
	}
	return out
}

// accessRulesVersion is what a service that enforces access rules says it knows.
const accessRulesVersion = 1.0

func subjectToken(r *httpx.Request) (string, error) {
	t := r.HTTP.Header.Get("X-Subject-Token")
	if t == "" {
		return "", errs.New(errs.Invalid, "The header X-Subject-Token names the token that the request is about; it is missing.")
	}
	return t, nil
}

func (h *handlers) validateToken(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := subjectToken(r)
	if err != nil {
		return nil, err
	}
	known, _ := strconv.ParseFloat(r.HTTP.Header.Get("Openstack-Identity-Access-Rules"), 64)
	se, err := h.svc.Tokens.Validate(ctx, t, flag(r.Query, "allow_expired"), known >= accessRulesVersion)
	if err != nil {
		return nil, err
	}
	return h.tokenResponse(ctx, r, http.StatusOK, se, t)
}

func (h *handlers) checkToken(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := subjectToken(r)
	if err == nil {
		err = h.svc.Tokens.Check(ctx, t, flag(r.Query, "allow_expired"))
	}
	if err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusOK).With("X-Subject-Token", t), nil
}

func (h *handlers) revokeToken(ctx context.Context, r *httpx.Request) error {
	t, err := subjectToken(r)
	if err != nil {
		return err
	}
	return h.svc.Tokens.Revoke(ctx, t)
}

func (h *handlers) catalog(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	se, err := h.svc.Tokens.Own(ctx, r.HTTP.Header.Get("X-Auth-Token"))
	if err != nil {
		return nil, err
	}
	if se.Token.Scope.Kind == identity.Unscoped {
		return nil, errs.New(errs.Forbidden, "You are not authorized to perform the requested action: a token without a scope has no catalog.")
	}
	items, err := h.svc.CatalogOf(ctx, se)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{
		"catalog": catalogView(r, items, se), "links": object{"self": v3(r, "/auth/catalog"), "previous": nil, "next": nil},
	}), nil
}

func (h *handlers) mySystem(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	yes, err := h.svc.Scopes.System(ctx)
	if err != nil {
		return nil, err
	}
	scopes := []object{}
	if yes {
		scopes = append(scopes, object{"all": true})
	}
	return httpx.JSON(http.StatusOK, object{"system": scopes, "links": object{"self": v3(r, "/auth/system"), "previous": nil, "next": nil}}), nil
}
