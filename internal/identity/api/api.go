// Package api is Keystone's v3 API over HTTP: it unpacks requests, calls one
// method of identity.Service each, and words the answers.
package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/identity/catalog"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

// Prefix is where the service answers.
const Prefix = "/identity"

// handlers are what answers; the families that others' routes show are kept.
type handlers struct {
	svc            *identity.Service
	users          *userResource
	groups         *resource[identity.Group]
	roles          *resource[identity.Role]
	projects       *resource[identity.Project]
	domains        *resource[identity.Project]
	endpoints      *resource[catalog.Endpoint]
	endpointGroups *resource[catalog.EndpointGroup]
	policies       *resource[catalog.Policy]
}

// New describes identity to the gateway.
func New(svc *identity.Service) *httpx.Service {
	h := &handlers{
		svc: svc, groups: groups(svc), roles: roles(svc), projects: projects(svc), domains: domains(svc), endpoints: endpoints(svc),
		endpointGroups: endpointGroups(svc), policies: policyDocuments(svc), users: users(svc),
	}
	return &httpx.Service{
		Name: "keystone", Type: "identity", Prefix: Prefix,
		Headers: map[string]string{"Vary": "X-Auth-Token"},
		Fault:   Fault, OpenPaths: true,
		Routes: slices.Concat(h.discoveryRoutes(), h.tokenRoutes(), h.projectRoutes(), h.userRoutes(), h.groupRoutes(), h.roleRoutes(),
			h.grantRoutes(), h.catalogRoutes(), h.credentialRoutes(), h.delegationRoutes(), h.limitRoutes(), h.domainConfigRoutes(),
			h.federationRoutes(), h.oauth1Routes(), h.oauth2Routes(), h.legacyRoutes()),
	}
}

// root is the cloud's address as the client reached it.
func root(r *httpx.Request) string { return r.Base() }

// v3 makes a link below /v3.
func v3(r *httpx.Request, format string, args ...any) string {
	return r.Link("/v3"+format, args...)
}

type object = map[string]any

// when writes a time as Keystone does; the zero time is null.
func when(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

// orNull is a text, or null when there is none.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// readObject reads {"key": {...}}, checks it against a schema and returns what is inside.
func readObject(r *httpx.Request, key string, s *schema.Schema) (object, error) {
	all, err := r.Object()
	if err != nil {
		return nil, err
	}
	inner, ok := all[key].(object)
	if !ok {
		return nil, errs.New(errs.Invalid, "Expecting to find %s in request body. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.", key)
	}
	if s != nil {
		if err := s.Validate(inner); err != nil {
			return nil, err
		}
	}
	return inner, nil
}

// flag reads a boolean query the way Keystone does: present and not "0" or
// "false" is true.
func flag(q url.Values, name string) bool {
	if !q.Has(name) {
		return false
	}
	return truth(q.Get(name))
}

func truth(text string) bool {
	switch strings.ToLower(text) {
	case "0", "false", "f", "no", "off", "n":
		return false
	}
	return true
}

// apply helps to take known attributes out of a body; what remains is extra.
type patch struct{ object }

func (p patch) text(key string, dst *string) {
	if v, ok := p.object[key]; ok {
		s, _ := v.(string)
		*dst = s
	}
}

func (p patch) flag(key string, dst *bool) {
	if v, ok := p.object[key].(bool); ok {
		*dst = v
	}
}

func (p patch) options(dst *identity.Attrs) {
	set, ok := p.object["options"].(object)
	if !ok {
		return
	}
	merged := identity.Attrs{}
	for k, v := range *dst {
		merged[k] = v
	}
	for k, v := range set {
		if v == nil {
			delete(merged, k) // null unsets an option
		} else {
			merged[k] = v
		}
	}
	*dst = merged
}

// extra keeps what is none of the known attributes; null removes one.
func (p patch) extra(dst *identity.Attrs, known ...string) {
	merged := identity.Attrs{}
	for k, v := range *dst {
		merged[k] = v
	}
	for k, v := range p.object {
		if k == "links" || k == "id" || slices.Contains(known, k) {
			continue
		}
		merged[k] = v
	}
	*dst = merged
}

// get is a route that answers HEAD as well.
func get(path, policy string, f httpx.Handler) httpx.Route {
	return httpx.Route{Method: http.MethodGet, Path: path, Policy: policy, Handler: f}
}

// secret is a route that answers with secrets.
func secret(r httpx.Route) httpx.Route {
	r.SecretAnswer = true
	return r
}

// unaudited is a route whose handler writes logins into the audit trail itself.
func unaudited(r httpx.Route) httpx.Route {
	r.Unaudited = true
	return r
}

func route(method, path, policy string, f httpx.Handler) httpx.Route {
	return httpx.Route{Method: method, Path: path, Policy: policy, Handler: f}
}

// check is a pair of routes, GET and HEAD, that answer whether something is so.
func check(path, policy string, f httpx.Handler) []httpx.Route {
	return []httpx.Route{route(http.MethodGet, path, policy, f), route(http.MethodHead, path, policy, f)}
}

// done is a handler whose success is 204.
func done(f func(ctx context.Context, r *httpx.Request) error) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if err := f(ctx, r); err != nil {
			return nil, err
		}
		return httpx.NoContent(), nil
	}
}
