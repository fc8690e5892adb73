package federation

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"kumoi/test/apptest"
)

type object = map[string]any

// python is Debian's, which has the stock client.
const python = "/usr/bin/python3"

// needs skips a test on a machine without the client; in CI that is a failure.
func needs(t *testing.T, modules string) {
	t.Helper()
	if out, err := exec.Command(python, "-c", "import "+modules).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s: %v\n%s", modules, err, out)
		}
		t.Skipf("%s is not installed; make deps-test installs it", modules)
	}
}

// admin is the administrator of a cloud, over plain HTTP.
type admin struct {
	t     *testing.T
	url   string
	token string
}

func adminOf(t *testing.T, c *apptest.Cloud) *admin {
	t.Helper()
	a := &admin{t: t, url: c.AuthURL()}
	a.token = a.login(object{"methods": []string{"password"}, "password": object{"user": object{
		"name": "admin", "domain": object{"id": "default"}, "password": apptest.AdminPassword,
	}}}, object{"project": object{"name": "admin", "domain": object{"id": "default"}}})
	return a
}

func (a *admin) login(identity, scope object) string {
	a.t.Helper()
	header, _ := a.call(http.StatusCreated, "POST", "/auth/tokens", object{"auth": object{"identity": identity, "scope": scope}})
	return header.Get("X-Subject-Token")
}

func (a *admin) call(status int, method, path string, in any) (http.Header, object) {
	a.t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		a.t.Fatal(err)
	}
	req, err := http.NewRequest(method, a.url+path, bytes.NewReader(b))
	if err != nil {
		a.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", a.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	if resp.StatusCode != status {
		a.t.Fatalf("%s %s: %d, want %d: %s", method, path, resp.StatusCode, status, text)
	}
	var out object
	_ = json.Unmarshal(text, &out) // some answers have no body
	return resp.Header, out
}

func (a *admin) create(path, key string, in object) string {
	a.t.Helper()
	_, out := a.call(http.StatusCreated, "POST", path, object{key: in})
	return out[key].(object)["id"].(string)
}

// trust registers a provider whose assertions become users of its own domain,
// members of the named group of the default domain if the attribute says so.
func (a *admin) trust(idp, protocol, remote string, rules ...object) {
	a.t.Helper()
	a.call(201, "PUT", "/OS-FEDERATION/identity_providers/"+idp, object{"identity_provider": object{"enabled": true, "remote_ids": []string{remote}}})
	a.call(201, "PUT", "/OS-FEDERATION/mappings/"+idp, object{"mapping": object{"rules": rules}})
	a.call(201, "PUT", "/OS-FEDERATION/identity_providers/"+idp+"/protocols/"+protocol, object{"protocol": object{"mapping_id": idp}})
}

func rule(id, name, groups, group string) object {
	return object{
		"local":  []object{{"user": object{"id": "{0}", "name": "{1}"}}, {"groups": "{2}", "domain": object{"id": "default"}}},
		"remote": []object{{"type": id}, {"type": name}, {"type": groups, "whitelist": []string{group}}},
	}
}

// share makes a project that the members of a group may read.
func (a *admin) share(project, group string) string {
	a.t.Helper()
	p := a.create("/projects", "project", object{"name": project, "domain_id": "default"})
	g := a.create("/groups", "group", object{"name": group, "domain_id": "default"})
	_, roles := a.call(200, "GET", "/roles?name=reader", nil)
	a.call(204, "PUT", "/projects/"+p+"/groups/"+g+"/roles/"+roles["roles"].([]any)[0].(object)["id"].(string), nil)
	return p
}

// issue runs the stock client's "token issue" and returns what it prints.
func issue(t *testing.T, env map[string]string) (object, error) {
	t.Helper()
	cmd := exec.Command(python, "/usr/bin/openstack", "token", "issue", "-f", "json")
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "OS_IDENTITY_API_VERSION=3", "PYTHONWARNINGS=ignore"}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var out, complaints strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return nil, &clientError{err, complaints.String()}
	}
	var token object
	if err := json.Unmarshal([]byte(out.String()), &token); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return token, nil
}

type clientError struct {
	error
	said string
}

func (e *clientError) Error() string { return e.error.Error() + ": " + e.said }
