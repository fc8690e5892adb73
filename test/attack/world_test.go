package attack

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/app"
	"kumoi/internal/kernel/httpx/httpxtest"
	"kumoi/test/apptest"
)

type object = httpxtest.Object

// world is a cloud with two tenants who have one of everything each, and the
// personas who try to get at what the first has.
type world struct {
	t      testing.TB
	http   httpxtest.Client
	cloud  *apptest.Cloud
	admin  string // a token
	roles  map[string]string
	shared map[string]string // ids that are nobody's: flavors, the outside network …
	victim *tenant
	other  *tenant
	people []persona
	routes []route
	seen   map[[2]string]bool // rows of known_test.go that were needed
}

// tenant is a project with a member who has one of every resource.
type tenant struct {
	mark   string // in the names and secrets of all it has
	domain string
	token  string
	ids    map[string]string // by resource; besides: project, user, domain
}

func newWorld(t testing.TB) *world {
	t.Helper()
	cloud := apptest.New(t)
	w := &world{
		seen: map[[2]string]bool{},
		t:    t, cloud: cloud, http: httpxtest.New(t, strings.TrimSuffix(cloud.AuthURL(), "/identity/v3")),
		roles: map[string]string{}, shared: map[string]string{}, routes: allRoutes(t),
	}
	w.admin = w.login(object{"user": object{"name": "admin", "domain": object{"id": "default"}, "password": apptest.AdminPassword}},
		object{"project": object{"name": "admin", "domain": object{"id": "default"}}})
	list, _ := w.http.As(w.admin).Want(200, "GET", "/identity/v3/roles", nil).Get("roles").([]any)
	for _, r := range list {
		w.roles[r.(object)["name"].(string)] = r.(object)["id"].(string)
	}
	w.share()
	w.victim, w.other = w.newTenant("vxmark"), w.newTenant("oxmark")
	w.people = w.personas()
	for _, r := range resources {
		w.make(r, w.victim)
		w.make(r, w.other)
	}
	// What the other routes show or take away: tags, roles, members, settings.
	for _, p := range w.places() {
		switch p.key()[strings.LastIndex(p.key(), "/")+1:] {
		case "config", "inherited_to_projects":
		case "{}":
			if !slices.ContainsFunc([]string{"/tags/{}", "/roles/{}", "/groups/{}/users/{}"}, func(end string) bool { return strings.HasSuffix(p.key(), end) }) {
				continue
			}
		default:
			continue
		}
		if p.method == "PUT" && len(p.of) > 0 {
			if a := w.send(p, persona{token: w.admin}); a.Status/100 != 2 && !strings.Contains(p.path, "metadefs") {
				t.Fatalf("%s: %d %s", p.route, a.Status, a.Raw)
			}
		}
	}
	return w
}

// login logs in with a password.
func (w *world) login(password, scope object) string {
	w.t.Helper()
	return w.auth(object{"methods": []string{"password"}, "password": password}, scope)
}

func (w *world) auth(identity, scope object) string {
	w.t.Helper()
	body := object{"identity": identity}
	if scope != nil {
		body["scope"] = scope
	}
	return w.http.Want(201, "POST", "/identity/v3/auth/tokens", object{"auth": body}).Header.Get("X-Subject-Token")
}

// user makes a user with a role in a project or domain.
func (w *world) user(name, domain, role, where, id string) string {
	w.t.Helper()
	c := w.http.As(w.admin)
	user := c.Want(201, "POST", "/identity/v3/users", object{"user": object{"name": name, "domain_id": domain, "password": password(name)}}).Text("user.id")
	c.Want(204, "PUT", "/identity/v3/"+where+"s/"+id+"/users/"+user+"/roles/"+w.roles[role], nil)
	return user
}

func password(name string) string { return "the password of " + name }

// loginTo logs a user in to a project or domain.
func (w *world) loginTo(user, name, where, id string) string {
	w.t.Helper()
	return w.login(object{"user": object{"id": user, "password": password(name)}}, object{where: object{"id": id}})
}

func (w *world) newTenant(mark string) *tenant {
	w.t.Helper()
	c := w.http.As(w.admin)
	t := &tenant{mark: mark, ids: map[string]string{}}
	t.domain = c.Want(201, "POST", "/identity/v3/domains", object{"domain": object{"name": mark + "-domain"}}).Text("domain.id")
	project := c.Want(201, "POST", "/identity/v3/projects", object{"project": object{"name": mark + "-project", "domain_id": t.domain}}).Text("project.id")
	user := w.user(mark+"-user", t.domain, "member", "project", project)
	t.ids["domain"], t.ids["project"], t.ids["user"] = t.domain, project, user
	t.token = w.loginTo(user, mark+"-user", "project", project)
	return t
}

// make makes one resource for a tenant.
func (w *world) make(r resource, t *tenant) {
	w.t.Helper()
	if r.create == "" {
		return
	}
	a := w.asked(r.create, r.body, t, t, cmp.Or(map[bool]string{true: w.admin}[r.byAdmin], t.token))
	if a.Status/100 != 2 {
		w.t.Fatalf("%s for %s: %d %s", r.create, t.mark, a.Status, a.Raw)
	}
	if r.id != "" {
		t.ids[r.name] = a.Text(r.id)
		if t.ids[r.name] == "" {
			if n, ok := a.Get(r.id).(float64); ok {
				t.ids[r.name] = fmt.Sprint(int64(n))
			}
		}
		if t.ids[r.name] == "" {
			w.t.Fatalf("%s: no %s in %s", r.create, r.id, a.Raw)
		}
	}
	if r.then != nil {
		r.then(w, t)
	}
}

// asked sends "POST compute /v2.1/servers" with a body written as a template.
func (w *world) asked(what, body string, own, that *tenant, token string) httpxtest.Answer {
	w.t.Helper()
	f := strings.Fields(what)
	var b any
	if body != "" {
		b = w.fill(body, own, that)
	}
	c := w.http.As(token).At(versionOf[f[1]])
	if len(f) > 3 {
		c = c.At(f[1] + " " + f[3])
	}
	if strings.HasPrefix(body, "[{\"op\"") {
		return c.Do(f[0], "/"+f[1]+w.fill(f[2], own, that), b, "Content-Type", "application/openstack-images-v2.1-json-patch")
	}
	return c.Do(f[0], "/"+f[1]+w.fill(f[2], own, that), b)
}

// versionOf is the microversion of requests that say none.
var versionOf = map[string]string{"compute": "compute 2.96", "placement": "placement 1.39", "volume": "volume 3.71"}

var mark = regexp.MustCompile(`\$(?:(own|that)\.)?([a-z0-9_]+)`)

// fill puts ids into a template: $own.port is the asking tenant's, $that.port
// the one that the request is about, $flavor is nobody's, $mark is in names.
func (w *world) fill(text string, own, that *tenant) string {
	w.t.Helper()
	return mark.ReplaceAllStringFunc(text, func(s string) string {
		m := mark.FindStringSubmatch(s)
		v, ok := w.shared[m[2]], m[1] == ""
		switch {
		case m[2] == "mark":
			v = own.mark
		case m[1] == "own":
			v, ok = own.ids[m[2]]
		case m[1] == "that":
			v, ok = that.ids[m[2]]
		}
		if !ok || v == "" {
			w.t.Fatalf("%s in %s stands for nothing", s, text)
		}
		return v
	})
}

// route is one row of the cloud's route table.
type route struct {
	service, method, path, action, version, policy string
}

func (r route) String() string {
	if r.action != "" {
		return r.method + " " + r.service + " " + r.path + "#" + r.action
	}
	return r.method + " " + r.service + " " + r.path
}

// plain is the path with all placeholders alike.
func (r route) plain() string { return placeholder.ReplaceAllString(r.path, "{}") }

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

var typeOf = map[string]string{"keystone": "identity", "glance": "image", "neutron": "network", "nova": "compute", "cinder": "volume", "dashboard": "ui", "horizon": "auth"}

// allRoutes is what "kumoi routes" prints.
func allRoutes(t testing.TB) []route {
	t.Helper()
	rows, err := app.Routes()
	if err != nil {
		t.Fatal(err)
	}
	var out []route
	for _, row := range rows {
		r := route{service: cmp.Or(typeOf[row.Service], row.Service), method: row.Method, policy: row.Policy}
		r.path, r.action, _ = strings.Cut(row.Path, "#")
		if _, high, ok := strings.Cut(row.Versions, "–"); ok {
			r.version = r.service + " " + high
		}
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}
