package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/httpx"
)

// projectRoutes are what projects and users have beside servers.
func (a *api) projectRoutes() []httpx.Route {
	const p = "os_compute_api:"
	quotas := "/v2.1/os-quota-sets/{project_id}"
	routes := []httpx.Route{
		{Method: "GET", Path: "/v2.1/os-keypairs", Policy: p + "os-keypairs:index", Handler: a.listKeypairs},
		{Method: "POST", Path: "/v2.1/os-keypairs", Policy: p + "os-keypairs:create", Handler: a.createKeypair},
		{Method: "GET", Path: "/v2.1/os-keypairs/{keypair_name}", Policy: p + "os-keypairs:show", Handler: a.showKeypair},
		{Method: "DELETE", Path: "/v2.1/os-keypairs/{keypair_name}", Policy: p + "os-keypairs:delete", Handler: a.deleteKeypair},
		{Method: "GET", Path: "/v2.1/os-server-groups", Policy: p + "os-server-groups:index", Handler: a.listGroups},
		{Method: "POST", Path: "/v2.1/os-server-groups", Policy: p + "os-server-groups:create", Handler: a.createGroup},
		{Method: "GET", Path: "/v2.1/os-server-groups/{server_group_id}", Policy: p + "os-server-groups:show", Handler: a.showGroup},
		{Method: "DELETE", Path: "/v2.1/os-server-groups/{server_group_id}", Policy: p + "os-server-groups:delete", Handler: a.deleteGroup},
		{Method: "GET", Path: "/v2.1/limits", Policy: p + "limits", Handler: a.limits},
		{Method: "GET", Path: quotas, Policy: p + "os-quota-sets:show", Handler: a.showQuota},
		{Method: "GET", Path: quotas + "/detail", Policy: p + "os-quota-sets:detail", Handler: a.detailQuota},
		{Method: "GET", Path: quotas + "/defaults", Policy: p + "os-quota-sets:defaults", Handler: a.defaultQuota},
		{Method: "PUT", Path: quotas, Policy: p + "os-quota-sets:update", Handler: a.updateQuota},
		{Method: "DELETE", Path: quotas, Policy: p + "os-quota-sets:delete", Handler: a.deleteQuota},
		{Method: "GET", Path: "/v2.1/os-quota-class-sets/{quota_class}", Policy: p + "os-quota-class-sets:show", Handler: a.showClass},
		{Method: "PUT", Path: "/v2.1/os-quota-class-sets/{quota_class}", Policy: p + "os-quota-class-sets:update", Handler: a.updateClass},
		{Method: "GET", Path: "/v2.1/os-availability-zone", Policy: p + "os-availability-zone:list", Handler: a.listZones(false)},
		{Method: "GET", Path: "/v2.1/os-availability-zone/detail", Policy: p + "os-availability-zone:detail", Handler: a.listZones(true)},
		{Method: "GET", Path: "/v2.1/os-simple-tenant-usage", Policy: p + "os-simple-tenant-usage:list", Handler: a.listUsage},
		{Method: "GET", Path: "/v2.1/os-simple-tenant-usage/{project_id}", Policy: p + "os-simple-tenant-usage:show", Handler: a.showUsage},
	}
	return routes
}

func keypairDoc(r *httpx.Request, k *compute.Keypair) object {
	doc := object{"name": k.Name, "public_key": k.PublicKey, "fingerprint": k.Fingerprint}
	if r.AtLeast(2, 2) {
		doc["type"] = k.Type
	}
	return doc
}

func (a *api) listKeypairs(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if r.AtLeast(2, 75) {
		if err := onlyKnown(r, "user_id", "limit", "marker"); err != nil {
			return nil, err
		}
	}
	keys, err := a.svc.Keypairs(ctx, keyUser(r))
	if err != nil {
		return nil, err
	}
	more := false
	if r.AtLeast(2, 35) {
		if keys, more, err = page(r, keys, func(k *compute.Keypair) string { return k.Name }); err != nil {
			return nil, err
		}
	}
	docs := make([]object, len(keys))
	for i, k := range keys {
		docs[i] = object{"keypair": keypairDoc(r, k)}
	}
	out := object{"keypairs": docs}
	if more {
		out["keypairs_links"] = []object{{"rel": "next", "href": r.PageURL(map[string]string{"marker": keys[len(keys)-1].Name})}}
	}
	return httpx.JSON(http.StatusOK, out), nil
}

// keyUser is whose key pairs an administrator means, since 2.10.
func keyUser(r *httpx.Request) string {
	if r.AtLeast(2, 10) {
		return r.Query.Get("user_id")
	}
	return ""
}

var createKeypairSchema = perVersion(func(minor int) object {
	name := object{"type": "string", "minLength": 1, "maxLength": 255, "format": "name"}
	if minor >= 92 {
		name["pattern"] = `^[\w\- @.]+$`
	} else {
		name["pattern"] = `^[\w\- ]+$`
	}
	p := object{"name": name, "public_key": object{"type": "string"}}
	required := list{"name"}
	if minor >= 2 {
		p["type"] = object{"type": "string", "enum": list{"ssh", "x509"}}
	}
	if minor >= 10 {
		p["user_id"] = object{"type": "string", "minLength": 1}
	}
	// Nova generates no keys from 2.92 on. Kumoi does when none is given: the
	// stock client asks for it in whatever version it was told to speak.
	return wrapped("keypair", strict(required, p))
})

func (a *api) createKeypair(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var b struct {
		Keypair struct {
			Name   string
			Public *string `json:"public_key"`
			Type   string
			UserID string `json:"user_id"`
		} `json:"keypair"`
	}
	if err := body(r, createKeypairSchema, &b); err != nil {
		return nil, err
	}
	c := b.Keypair
	if c.Type == "" {
		c.Type = "ssh"
	}
	public := ""
	if c.Public != nil {
		if public = *c.Public; strings.TrimSpace(public) == "" {
			return nil, bad("Keypair data is invalid: failed to generate fingerprint: it is empty.")
		}
	}
	k, private, err := a.svc.CreateKeypair(ctx, c.UserID, strings.TrimSpace(c.Name), c.Type, public)
	if err != nil {
		return nil, err
	}
	doc := keypairDoc(r, k)
	doc["user_id"] = k.UserID
	if private != "" {
		doc["private_key"] = private
	}
	status := http.StatusOK
	if r.AtLeast(2, 2) {
		status = http.StatusCreated
	}
	return httpx.JSON(status, object{"keypair": doc}), nil
}

func (a *api) showKeypair(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	k, err := a.svc.Keypair(ctx, keyUser(r), r.Var("keypair_name"))
	if err != nil {
		return nil, err
	}
	doc := keypairDoc(r, k)
	doc["user_id"], doc["id"], doc["created_at"] = k.UserID, k.ID, micros(k.CreatedAt)
	doc["deleted"], doc["deleted_at"], doc["updated_at"] = false, nil, nil
	return httpx.JSON(http.StatusOK, object{"keypair": doc}), nil
}

func (a *api) deleteKeypair(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.DeleteKeypair(ctx, keyUser(r), r.Var("keypair_name")); err != nil {
		return nil, err
	}
	if r.AtLeast(2, 2) {
		return httpx.NoContent(), nil
	}
	return httpx.Empty(http.StatusAccepted), nil
}

func groupDoc(r *httpx.Request, g *compute.ServerGroup) object {
	members := g.Members
	if members == nil {
		members = []string{}
	}
	doc := object{"id": g.ID, "name": g.Name, "members": members}
	if r.AtLeast(2, 13) {
		doc["project_id"], doc["user_id"] = g.ProjectID, g.UserID
	}
	if r.AtLeast(2, 64) {
		rules := g.Rules
		if rules == nil {
			rules = map[string]int{}
		}
		doc["policy"], doc["rules"] = g.Policy, rules
	} else {
		doc["policies"], doc["metadata"] = []string{g.Policy}, object{}
	}
	return doc
}

var createGroupSchema = perVersion(func(minor int) object {
	policies := list{compute.AntiAffinity, compute.Affinity}
	if minor >= 15 {
		policies = append(policies, compute.SoftAntiAffinity, compute.SoftAffinity)
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

func (a *api) createGroup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var b struct {
		Group struct {
			Name     string
			Policies []string
			Policy   string
			Rules    map[string]flexInt
		} `json:"server_group"`
	}
	if err := body(r, createGroupSchema, &b); err != nil {
		return nil, err
	}
	g := compute.ServerGroup{Name: b.Group.Name, Policy: b.Group.Policy}
	if len(b.Group.Policies) > 0 {
		g.Policy = b.Group.Policies[0]
	}
	if len(b.Group.Rules) > 0 {
		if g.Policy != compute.AntiAffinity {
			return nil, bad("Only anti-affinity policy supports rules.")
		}
		g.Rules = map[string]int{}
		for k, v := range b.Group.Rules {
			g.Rules[k] = int(v)
		}
	}
	made, err := a.svc.CreateGroup(ctx, g)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"server_group": groupDoc(r, made)}), nil
}

func (a *api) showGroup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	g, err := a.svc.Group(ctx, r.Var("server_group_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"server_group": groupDoc(r, g)}), nil
}

func (a *api) listGroups(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if r.AtLeast(2, 75) {
		if err := onlyKnown(r, "all_projects", "limit", "offset"); err != nil {
			return nil, err
		}
	}
	groups, err := a.svc.Groups(ctx, r.Query.Has("all_projects"))
	if err != nil {
		return nil, err
	}
	if groups, err = offsetPage(r, groups); err != nil {
		return nil, err
	}
	docs := []object{}
	for _, g := range groups {
		docs = append(docs, groupDoc(r, g))
	}
	return httpx.JSON(http.StatusOK, object{"server_groups": docs}), nil
}

func (a *api) deleteGroup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.DeleteGroup(ctx, r.Var("server_group_id")); err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

func (a *api) listZones(detail bool) httpx.Handler {
	rule := "os-availability-zone:list"
	if detail {
		rule = "os-availability-zone:detail"
	}
	return func(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
		zones, err := a.svc.Zones(ctx, rule)
		if err != nil {
			return nil, err
		}
		docs := []object{}
		for _, z := range zones {
			doc := object{"zoneName": z.Name, "zoneState": object{"available": len(z.Hosts) == 0 || usable(z.Hosts)}, "hosts": nil}
			if detail {
				hosts := object{}
				for _, h := range z.Hosts {
					hosts[h.Name] = object{"nova-compute": object{"active": !h.Disabled, "available": h.Up, "updated_at": micros(h.SeenAt)}}
				}
				doc["hosts"] = hosts
			}
			docs = append(docs, doc)
		}
		return httpx.JSON(http.StatusOK, object{"availabilityZoneInfo": docs}), nil
	}
}

// usable tells whether a zone has a host that is enabled.
func usable(hosts []*compute.Host) bool {
	for _, h := range hosts {
		if !h.Disabled {
			return true
		}
	}
	return false
}
