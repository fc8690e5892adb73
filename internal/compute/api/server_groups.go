package api

import (
	"context"
	"net/http"

	"kumoi/internal/compute/servergroup"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

// serverGroupRoutes are /os-server-groups.
func (a *api) serverGroupRoutes() []httpx.Route {
	type G = servergroup.Group
	groups := a.svc.ServerGroups
	c := rest.Resource[G, servergroup.NewGroup, struct{}]{
		Path: "/v2.1/os-server-groups", Item: "server_group_id", One: "server_group", Many: "server_groups",
		Rule:  familyRule("os-server-groups"),
		Query: &rest.List{Dialect: unsorted, ByOffset: true, Everyone: "all_projects", Sort: []store.Sort{{Field: "created_at"}}},
		List:  groups.List, Show: groups.Show, Create: groups.Create, Delete: groups.Delete, ReadNew: newServerGroup,
		View: func(_ context.Context, r *httpx.Request, _ []*G) (func(*rest.Writer, *G), error) {
			return func(w *rest.Writer, g *G) { viewServerGroup(w, r, g) }, nil
		},
		Created: func(*httpx.Request) int { return http.StatusOK },
	}
	return c.Routes()
}

// familyRule names the policy rules of a family.
func familyRule(family string) func(verb string) string {
	return func(verb string) string {
		if verb == "list" {
			verb = "index"
		}
		return "os_compute_api:" + family + ":" + verb
	}
}

func viewServerGroup(w *rest.Writer, r *httpx.Request, g *servergroup.Group) {
	w.Text("id", g.ID)
	w.Text("name", g.Name)
	w.Texts("members", g.Members)
	if r.AtLeast(2, 13) {
		w.Text("project_id", g.ProjectID)
		w.Text("user_id", g.UserID)
	}
	if !r.AtLeast(2, 64) {
		w.Texts("policies", []string{g.Policy})
		w.Object("metadata", func() {})
		return
	}
	w.Text("policy", g.Policy)
	w.Object("rules", func() {
		for _, k := range sorted(g.Rules) {
			w.Int(k, int64(g.Rules[k]))
		}
	})
}

var createGroupSchema = perVersion(func(minor int) object {
	policies := list{servergroup.AntiAffinity, servergroup.Affinity}
	if minor >= 15 {
		policies = append(policies, servergroup.SoftAntiAffinity, servergroup.SoftAffinity)
	}
	if minor >= 64 {
		return wrapped("server_group", strict(list{"name", "policy"}, object{
			"name": nameType, "policy": object{"type": "string", "enum": policies},
			"rules": strict(nil, object{"max_server_per_host": whole(1, maxInt)}),
		}))
	}
	return wrapped("server_group", strict(list{"name", "policies"}, object{
		"name": nameType, "policies": object{
			"type": "array", "minItems": 1, "maxItems": 1, "uniqueItems": true, "items": object{"type": "string", "enum": policies},
		},
	}))
})

func newServerGroup(r *httpx.Request) (n servergroup.NewGroup, err error) {
	b, err := rest.Body[struct {
		Group struct {
			Name     string
			Policies []string
			Policy   string
			Rules    map[string]rest.Int
		} `json:"server_group"`
	}](r, createGroupSchema)
	if err != nil {
		return n, err
	}
	n = servergroup.NewGroup{Name: b.Group.Name, Policy: b.Group.Policy}
	if len(b.Group.Policies) > 0 {
		n.Policy = b.Group.Policies[0]
	}
	for k, v := range b.Group.Rules {
		n.Rules = map[string]int{k: int(v)} // the schema knows one rule
	}
	return n, nil
}
