// Package identitytest runs identity by itself, behind the real gateway, for
// tests of identity and of services that need one.
package identitytest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/identity/api"
	"kumoi/internal/identity/sqlstore"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// AdminPassword is the administrator's.
const AdminPassword = "correct horse battery staple"

// Cloud is an identity service of its own with its gateway.
type Cloud struct {
	T       testing.TB
	DB      *store.DB
	Svc     *identity.Service
	Policy  *policy.Engine
	API     *httpx.Service
	Handler http.Handler
	Clock   *Clock
	Audit   *audit.Trail

	// Failing is set: the database fails every request at its first statement, then at
	// its second, and so on; the answer that comes undisturbed counts, and each before
	// must have been a fault of the server that left everything as it was.
	Failing bool

	ctx context.Context //nolint:containedctx // the test's, which a fuzz target may not ask for
}

// Clock is a clock that a test moves.
type Clock struct {
	mu  sync.Mutex
	add time.Duration
}

// Now is the time on the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.add)
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add += d
}

// New starts a cloud on an empty database. configure may change what identity
// is made of.
func New(t testing.TB, db *store.DB, configure ...func(d *identity.Deps)) *Cloud {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := db.Migrate(ctx, audit.Migrations(), sqlstore.Migrations()); err != nil {
		t.Fatal(err)
	}
	c := &Cloud{T: t, DB: db, Policy: policy.New(), Clock: &Clock{}, ctx: t.Context()}
	c.Audit = audit.New(db, audit.Config{Host: "test", Now: c.Clock.Now})
	deps := identity.Deps{
		DB: db, Store: sqlstore.New(), Policy: c.Policy, Clock: c.Clock.Now, MasterKey: [32]byte{1}, Audit: c.Audit,
		Config: identity.Config{HashMemory: 64, HashTime: 1},
	}
	for _, f := range configure {
		f(&deps)
	}
	var err error
	if c.Svc, err = identity.New(deps); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Svc.Bootstrap(ctx, identity.BootstrapConfig{
		AdminPassword: AdminPassword,
		Catalog:       []identity.CatalogEntry{{Type: "identity", Name: "keystone", Public: "/identity"}, {Type: "image", Name: "glance", Public: "/image"}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.Svc.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Svc.Stop)
	c.API = api.New(c.Svc)
	page := &httpx.Service{Name: "dashboard", Type: "dashboard", Prefix: "/ui", Routes: api.Browser(c.Svc), Fault: api.Fault, OpenPaths: true}
	gw, err := httpx.NewGateway(httpx.Config{Services: []*httpx.Service{c.API, page}, Auth: c.Svc, Log: logx.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	c.Handler = gw
	return c
}

// Answer is what a request got.
type Answer struct {
	Status int
	Header http.Header
	Body   map[string]any
	Raw    []byte
}

// Get walks into the body: Get("user", "id").
func (a Answer) Get(path ...string) any {
	var v any = a.Body
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

// Text is Get for a string.
func (a Answer) Text(path ...string) string {
	s, _ := a.Get(path...).(string)
	return s
}

// Do sends a request with a token; body may be nil, text, or anything that
// becomes JSON. Headers come in pairs.
func (c *Cloud) Do(method, path, token string, body any, headers ...string) Answer {
	if !c.Failing {
		return c.do(c.ctx, method, path, token, body, headers)
	}
	for n := int64(1); ; n++ {
		broken, ctx := storetest.FailAt(c.ctx, n)
		a := c.do(ctx, method, path, token, body, headers)
		query := broken()
		if query == "" {
			return a
		}
		if refused := a.Status >= 400 && a.Status < 500; refused && (strings.Contains(query, "audit_event") || query == "COMMIT") {
			continue // a refusal stands though it could not be noted
		}
		if a.Status < 500 {
			c.T.Errorf("%s %s: %d although statement %d failed: %s", method, path, a.Status, n, query)
			if a.Status < 400 {
				return a // it is done: once more would be twice
			}
		}
	}
}

func (c *Cloud) do(ctx context.Context, method, path, token string, body any, headers []string) Answer {
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = bytes.NewReader([]byte(b))
	default:
		text, err := json.Marshal(b)
		if err != nil {
			c.T.Fatal(err)
		}
		r = bytes.NewReader(text)
	}
	req := httptest.NewRequestWithContext(ctx, method, "http://cloud.test/identity"+path, r)
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.Handler.ServeHTTP(w, req)
	a := Answer{Status: w.Code, Header: w.Header(), Raw: w.Body.Bytes()}
	_ = json.Unmarshal(a.Raw, &a.Body) // an answer without JSON has no Body
	return a
}

// Must is Do that fails the test unless the status is as expected.
func (c *Cloud) Must(status int, method, path, token string, body any, headers ...string) Answer {
	c.T.Helper()
	a := c.Do(method, path, token, body, headers...)
	if a.Status != status {
		c.T.Fatalf("%s %s: %d, want %d: %s", method, path, a.Status, status, a.Raw)
	}
	return a
}

// Object is a JSON object.
type Object = map[string]any

// Project is the scope of a project.
func Project(id string) Object { return Object{"project": Object{"id": id}} }

// Domain is the scope of a domain.
func Domain(id string) Object { return Object{"domain": Object{"id": id}} }

// System is the scope of the system.
func System() Object { return Object{"system": Object{"all": true}} }

// PasswordBody is a login by user id and password.
func PasswordBody(userID, password string, scope any) Object {
	return Object{"auth": Object{
		"identity": Object{"methods": []string{"password"}, "password": Object{"user": Object{"id": userID, "password": password}}},
		"scope":    scope,
	}}
}

// Login logs in and returns the token.
func (c *Cloud) Login(userID, password string, scope any) string {
	c.T.Helper()
	return c.Must(http.StatusCreated, "POST", "/v3/auth/tokens", "", PasswordBody(userID, password, scope)).Header.Get("X-Subject-Token")
}

// Admin logs the administrator in, by names, for his project or another scope.
func (c *Cloud) Admin(scope ...any) string {
	c.T.Helper()
	var s any = Object{"project": Object{"name": "admin", "domain": Object{"name": "Default"}}}
	if len(scope) > 0 {
		s = scope[0]
	}
	return c.Must(http.StatusCreated, "POST", "/v3/auth/tokens", "", Object{"auth": Object{
		"identity": Object{"methods": []string{"password"}, "password": Object{"user": Object{
			"name": "admin", "domain": Object{"id": "default"}, "password": AdminPassword,
		}}},
		"scope": s,
	}}).Header.Get("X-Subject-Token")
}

// Create makes something and returns its id: Create(token, "/v3/users", "user", Object{...}).
func (c *Cloud) Create(token, path, key string, body Object) string {
	c.T.Helper()
	return c.Must(http.StatusCreated, "POST", path, token, Object{key: body}).Text(key, "id")
}

// Role returns the id of a global role.
func (c *Cloud) Role(token, name string) string {
	c.T.Helper()
	a := c.Must(http.StatusOK, "GET", "/v3/roles?name="+name, token, nil)
	roles, _ := a.Body["roles"].([]any)
	if len(roles) != 1 {
		c.T.Fatalf("%d roles named %s", len(roles), name)
	}
	return roles[0].(Object)["id"].(string)
}

// Persona is a user with one role in one scope.
type Persona struct{ UserID, Token string }

// Persona makes a user in a domain, gives him a role and logs him in there.
// where is "project", "domain" or "system".
func (c *Cloud) Persona(admin, name, domainID, role, where, id string) Persona {
	c.T.Helper()
	user := c.Create(admin, "/v3/users", "user", Object{"name": name, "domain_id": domainID, "password": "pw-" + name})
	path, scope := "/v3/system", System()
	switch where {
	case "project":
		path, scope = "/v3/projects/"+id, Project(id)
	case "domain":
		path, scope = "/v3/domains/"+id, Domain(id)
	}
	c.Must(http.StatusNoContent, "PUT", path+"/users/"+user+"/roles/"+c.Role(admin, role), admin, nil)
	return Persona{user, c.Login(user, "pw-"+name, scope)}
}
