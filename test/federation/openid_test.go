package federation

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"kumoi/internal/app"
	"kumoi/test/apptest"
	"kumoi/test/federation/oidctest"
)

const callback = "http://localhost:8080/callback"

// openid is a cloud that takes the word of an OpenID Connect provider, and the
// environment of a client that logs in there.
func openid(t *testing.T) (*oidctest.Provider, *admin, map[string]string) {
	t.Helper()
	op := oidctest.New(t, callback)
	c := apptest.Make(t)
	c.Config.IdentityProviders = app.IdentityProviders{
		{IDP: "corp", Protocol: "openid", Issuer: op.URL, ClientID: oidctest.Kumoi, ClientSecret: oidctest.Secret},
		{IDP: "corp", Protocol: "opaque", Issuer: op.URL, ClientID: oidctest.Opaque, ClientSecret: oidctest.Secret},
	}
	c.Start()
	a := adminOf(t, c)
	project := a.share("shared", "ops")
	a.trust("corp", "openid", op.URL, rule("OIDC-sub", "OIDC-preferred_username", "OIDC-groups", "ops"))
	a.call(201, "PUT", "/OS-FEDERATION/identity_providers/corp/protocols/opaque", object{"protocol": object{"mapping_id": "corp"}})
	return op, a, map[string]string{
		"OS_AUTH_URL": c.AuthURL(), "OS_IDENTITY_PROVIDER": "corp", "OS_PROTOCOL": "openid", "OS_PROJECT_ID": project,
		"OS_DISCOVERY_ENDPOINT": op.URL + "/.well-known/openid-configuration", "OS_CLIENT_ID": oidctest.Kumoi, "OS_CLIENT_SECRET": oidctest.Secret,
		"OS_USERNAME": oidctest.User, "OS_PASSWORD": oidctest.Password, "OS_OPENID_SCOPE": "openid profile",
	}
}

func TestStockClientByOpenIDConnect(t *testing.T) {
	needs(t, "openstackclient.shell")
	op, a, env := openid(t)
	with := func(more map[string]string) map[string]string {
		out := map[string]string{}
		for k, v := range env {
			out[k] = v
		}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	authorize := op.URL + "/authorize?" + url.Values{
		"client_id": {oidctest.Kumoi}, "response_type": {"code"}, "scope": {"openid profile"}, "redirect_uri": {callback}, "state": {"s"},
	}.Encode()
	back, err := url.Parse(op.Browse(authorize))
	if err != nil {
		t.Fatal(err)
	}
	programs := a.create("/groups", "group", object{"name": "programs", "domain_id": "default"})
	_, roles := a.call(200, "GET", "/roles?name=reader", nil)
	a.call(204, "PUT", "/projects/"+env["OS_PROJECT_ID"]+"/groups/"+programs+"/roles/"+roles["roles"].([]any)[0].(object)["id"].(string), nil)
	a.call(200, "PATCH", "/OS-FEDERATION/mappings/corp", object{"mapping": object{"rules": []object{
		rule("OIDC-sub", "OIDC-preferred_username", "OIDC-groups", "ops"),
		{"local": []object{{"user": object{"name": "{0}"}}, {"group": object{"id": programs}}}, "remote": []object{{"type": "OIDC-sub", "any_one_of": []string{oidctest.Kumoi}}, {"type": "OIDC-sub"}}},
	}}})
	users := map[string]bool{}
	for name, more := range map[string]map[string]string{
		"v3oidcpassword":           {"OS_AUTH_TYPE": "v3oidcpassword"},
		"v3oidcpassword, opaque":   {"OS_AUTH_TYPE": "v3oidcpassword", "OS_CLIENT_ID": oidctest.Opaque, "OS_PROTOCOL": "opaque"},
		"v3oidcpassword, id token": {"OS_AUTH_TYPE": "v3oidcpassword", "OS_ACCESS_TOKEN_TYPE": "id_token"},
		"v3oidcaccesstoken":        {"OS_AUTH_TYPE": "v3oidcaccesstoken", "OS_ACCESS_TOKEN": op.Token(oidctest.Kumoi, "access_token")},
		"v3oidcauthcode":           {"OS_AUTH_TYPE": "v3oidcauthcode", "OS_CODE": back.Query().Get("code"), "OS_REDIRECT_URI": callback},
		"v3oidcclientcredentials":  {"OS_AUTH_TYPE": "v3oidcclientcredentials"},
	} {
		token, err := issue(t, with(more))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if token["project_id"] != env["OS_PROJECT_ID"] {
			t.Errorf("%s: %v", name, token)
		}
		user, _ := token["user_id"].(string)
		users[user] = true
	}
	if len(users) != 3 { // ann by each of the two protocols, and the program itself
		t.Errorf("users %v", users)
	}
	for name, more := range map[string]map[string]string{
		"wrong password":         {"OS_AUTH_TYPE": "v3oidcpassword", "OS_PASSWORD": "x"},
		"another client's token": {"OS_AUTH_TYPE": "v3oidcaccesstoken", "OS_ACCESS_TOKEN": op.Token(oidctest.Other, "access_token")},
		"another project":        {"OS_AUTH_TYPE": "v3oidcpassword", "OS_PROJECT_ID": "00000000000000000000000000000000"},
	} {
		if token, err := issue(t, with(more)); err == nil {
			t.Errorf("%s: %v", name, token)
		}
	}
}

// The device flow (RFC 8628): what newer clients' v3oidcdeviceauthz does, step
// by step, since Debian's does not know it.
func TestDeviceLogin(t *testing.T) {
	op, a, env := openid(t)
	post := func(path string, form url.Values) object {
		req, err := http.NewRequest("POST", op.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(url.QueryEscape(oidctest.Kumoi), url.QueryEscape(oidctest.Secret))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out object
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(b, &out) // the page for people answers nothing
		return out
	}
	device := post("/device_authorization", url.Values{"client_id": {oidctest.Kumoi}, "scope": {"openid profile"}})
	poll := func() object {
		return post("/oauth/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {oidctest.Kumoi}, "device_code": {device["device_code"].(string)},
		})
	}
	if first := poll(); first["error"] != "authorization_pending" {
		t.Fatalf("before the user agrees: %v", first)
	}
	post("/device", url.Values{"user_code": {device["user_code"].(string)}, "username": {oidctest.User}, "password": {oidctest.Password}})
	var token string
	apptest.Until(t, "the device's token", func() bool {
		token, _ = poll()["access_token"].(string)
		return token != ""
	})
	req, err := http.NewRequest("POST", a.url+"/OS-FEDERATION/identity_providers/corp/protocols/openid/auth", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("the login: %s", resp.Status)
	}
	if scoped := a.login(object{"methods": []string{"token"}, "token": object{"id": resp.Header.Get("X-Subject-Token")}},
		object{"project": object{"id": env["OS_PROJECT_ID"]}}); scoped == "" {
		t.Error("no token for the project")
	}
}
