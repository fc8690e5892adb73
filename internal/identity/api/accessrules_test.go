package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/logx"
)

// appCredToken makes an application credential and logs in with it.
func appCredToken(c *identitytest.Cloud, userID, token string, body object) (id, delegated string) {
	c.T.Helper()
	a := c.Must(201, "POST", "/v3/users/"+userID+"/application_credentials", token, object{"application_credential": body})
	id = a.Text("application_credential", "id")
	return id, c.Must(201, "POST", "/v3/auth/tokens", "", object{"auth": object{"identity": object{
		"methods":                []string{"application_credential"},
		"application_credential": object{"id": id, "secret": a.Text("application_credential", "secret")},
	}}}).Header.Get("X-Subject-Token")
}

// The rules bind every service behind the gateway, identity included.
func TestAccessRulesBind(t *testing.T) {
	each(t, accessRulesBind)
}

func accessRulesBind(t *testing.T, c *identitytest.Cloud) {
	admin := c.Admin()
	project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
	ann := c.Persona(admin, "ann", "default", "member", "project", project)
	rules := []object{
		{"service": "compute", "method": "GET", "path": "/v2.1/servers"},
		{"service": "identity", "method": "GET", "path": "/v3/users/{user_id}"},
		{"service": "compute", "method": "GET", "path": "/v2.1/{project}/servers/*"},
		{"service": "compute", "method": "DELETE", "path": "/v2.1/flavors/**"},
	}
	_, token := appCredToken(c, ann.UserID, ann.Token, object{"name": "bound", "access_rules": rules})

	ok := func(context.Context, *httpx.Request) (*httpx.Response, error) { return httpx.Empty(204), nil }
	var routes []httpx.Route
	for _, path := range []string{"/v2.1/servers", "/v2.1/servers/{id}", "/v2.1/flavors/{id}/{key}"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			routes = append(routes, httpx.Route{Method: method, Path: path, Handler: ok})
		}
	}
	routes = append(routes, httpx.Route{Method: "GET", Path: "/", Handler: ok, Public: true})
	services := []*httpx.Service{
		{Name: "nova", Type: "compute", Prefix: "/compute", Routes: routes, ProjectAfter: "v2.1"},
		{Name: "neutron", Type: "network", Prefix: "/network", Routes: routes},
		c.API,
	}
	gw, err := httpx.NewGateway(httpx.Config{Services: services, Auth: c.Svc, Log: logx.Discard()})
	if err != nil {
		t.Fatal(err)
	}
	service := c.Persona(admin, "nova", "default", "service", "project", project)
	send := func(method, path string, headers ...string) int {
		r := httptest.NewRequest(method, "http://cloud.test"+path, http.NoBody)
		r.Header.Set("X-Auth-Token", token)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		gw.ServeHTTP(w, r)
		return w.Code
	}
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/compute/v2.1/servers", 204},
		{"POST", "/compute/v2.1/servers", 401},
		{"HEAD", "/compute/v2.1/servers", 401},
		{"GET", "/compute/v2.1/servers/x", 401},
		{"GET", "/compute/v2.1/%73ervers", 204}, // the same path in other words
		{"GET", "/compute/v2.1/servers%2Fx", 401},
		{"GET", "/compute/v2.1/" + project + "/servers/x", 204},
		{"GET", "/compute/v2.1/" + project + "/servers", 401},
		{"DELETE", "/compute/v2.1/flavors/a/b", 204},
		{"GET", "/network/v2.1/servers", 401}, // another service
		{"GET", "/network/v2.1/nothing", 401},
		{"GET", "/network/", 204}, // open to everybody
		{"GET", "/identity/v3/users/" + ann.UserID, 200},
		{"GET", "/identity/v3/auth/catalog", 401},
		{"GET", "/identity/v3/users/" + ann.UserID + "/application_credentials", 401},
	} {
		if got := send(tc.method, tc.path); got != tc.want {
			t.Errorf("%s %s: %d, want %d", tc.method, tc.path, got, tc.want)
		}
	}
	// A service that carries on for the user passes; anybody else does not.
	if got := send("POST", "/network/v2.1/servers", "X-Service-Token", service.Token); got != 204 {
		t.Errorf("with a service's token: %d", got)
	}
	if got := send("POST", "/network/v2.1/servers", "X-Service-Token", ann.Token); got != 401 {
		t.Errorf("with another user's token as a service's: %d", got)
	}
	// The token shows its rules, in the order given, to those who say that they know them.
	for version, want := range map[string]int{"": 404, "0.9": 404, "x": 404, "1.0": 200, "1": 200} {
		a := c.Must(want, "GET", "/v3/auth/tokens", service.Token, nil, "X-Subject-Token", token, "Openstack-Identity-Access-Rules", version)
		if want != 200 {
			continue
		}
		list, _ := a.Get("token", "application_credential", "access_rules").([]any)
		for i, r := range list {
			if r.(object)["path"] != rules[i]["path"] {
				t.Errorf("rule %d is %v", i, r)
			}
		}
		if len(list) != len(rules) {
			t.Errorf("%d rules", len(list))
		}
	}
	c.Must(200, "GET", "/v3/auth/tokens", token, nil, "X-Subject-Token", token, "Openstack-Identity-Access-Rules", "1.0")
}

// Lists that somebody gave keep their order.
func TestApplicationCredentialsKeepTheOrder(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		user := c.Must(200, "GET", "/v3/users?name=admin", admin, nil).Body["users"].([]any)[0].(object)["id"].(string)
		var rules []object
		for _, path := range []string{"/z", "/a", "/m", "/b", "/y", "/c", "/x"} {
			rules = append(rules, object{"service": "compute", "method": "GET", "path": path})
		}
		made := c.Must(201, "POST", "/v3/users/"+user+"/application_credentials", admin, object{"application_credential": object{"name": "a", "access_rules": rules}})
		shown := c.Must(200, "GET", "/v3/users/"+user+"/application_credentials/"+made.Text("application_credential", "id"), admin, nil)
		for _, a := range []identitytest.Answer{made, shown} {
			for i, r := range a.Get("application_credential", "access_rules").([]any) {
				if r.(object)["path"] != rules[i]["path"] {
					t.Errorf("rule %d is %v", i, r)
				}
			}
		}
	})
}
