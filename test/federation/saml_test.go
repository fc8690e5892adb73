package federation

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"kumoi/internal/app"
	"kumoi/internal/identity/saml/samltest"
	"kumoi/test/apptest"
)

func TestStockClientBySAML(t *testing.T) {
	needs(t, "openstackclient.shell, lxml")
	idp := samltest.New(t)
	c := apptest.Make(t)
	c.Config.IdentityProviders = app.IdentityProviders{{IDP: "uni", Protocol: "saml2", Metadata: idp.MetadataURL()}}
	c.Start()
	a := adminOf(t, c)
	project := a.share("shared", "staff")
	a.trust("uni", "saml2", idp.MetadataURL(), rule("REMOTE_USER", "uid", "eduPersonAffiliation", "staff"))
	resp, err := http.Get(c.AuthURL() + "/OS-FEDERATION/identity_providers/uni/protocols/saml2/metadata")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	metadata, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	idp.Trust("kumoi", metadata)
	env := map[string]string{
		"OS_AUTH_TYPE": "v3samlpassword", "OS_AUTH_URL": c.AuthURL(), "OS_IDENTITY_PROVIDER": "uni", "OS_PROTOCOL": "saml2",
		"OS_IDENTITY_PROVIDER_URL": idp.ECP(), "OS_USERNAME": samltest.User, "OS_PASSWORD": samltest.Password, "OS_PROJECT_ID": project,
	}
	token, err := issue(t, env)
	if err != nil {
		t.Fatal(err)
	}
	if token["project_id"] != project {
		t.Errorf("%v", token)
	}
	env["OS_PASSWORD"] = "x"
	if token, err := issue(t, env); err == nil {
		t.Errorf("with a wrong password: %v", token)
	}
}

// keystoneToKeystone takes a user from one cloud to another with the stock library.
const keystoneToKeystone = `
import sys
from keystoneauth1 import session
from keystoneauth1.identity import v3
url, password, project = sys.argv[1:]
home = v3.Password(url, username="ann", user_domain_id="default", password=password, project_name="home", project_domain_id="default")
away = v3.Keystone2Keystone(home, "away", project_id=project)
s = session.Session(auth=away)
access = away.get_access(s)
print(access.username, access.project_id, ",".join(access.role_names))
`

func TestStockClientFromCloudToCloud(t *testing.T) {
	needs(t, "keystoneauth1.identity.v3")
	home := apptest.New(t)
	at := adminOf(t, home)
	project := at.create("/projects", "project", object{"name": "home", "domain_id": "default"})
	user := at.create("/users", "user", object{"name": "ann", "domain_id": "default", "password": "pw"})
	_, roles := at.call(200, "GET", "/roles?name=member", nil)
	at.call(204, "PUT", "/projects/"+project+"/users/"+user+"/roles/"+roles["roles"].([]any)[0].(object)["id"].(string), nil)

	away := apptest.Make(t)
	issuer := home.AuthURL() + "/OS-FEDERATION/saml2/metadata"
	away.Config.IdentityProviders = app.IdentityProviders{{IDP: "home", Protocol: "saml2", Metadata: issuer, Unsolicited: true}}
	away.Start()
	there := adminOf(t, away)
	shared := there.share("shared", "guests")
	_, groups := there.call(200, "GET", "/groups?name=guests", nil)
	guests := groups["groups"].([]any)[0].(object)["id"]
	there.trust("home", "saml2", issuer, object{
		"local":  []object{{"user": object{"name": "{0}"}}, {"group": object{"id": guests}}},
		"remote": []object{{"type": "openstack_user"}, {"type": "openstack_roles", "any_one_of": []string{"member"}}, {"type": "openstack_project", "any_one_of": []string{"home"}}},
	})
	auth := away.AuthURL() + "/OS-FEDERATION/identity_providers/home/protocols/saml2/auth"
	at.call(201, "PUT", "/OS-FEDERATION/service_providers/away", object{"service_provider": object{"auth_url": auth, "sp_url": auth, "enabled": true}})

	out, err := exec.Command(python, "-W", "ignore", "-c", keystoneToKeystone, home.AuthURL(), "pw", shared).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "ann "+shared+" reader" {
		t.Errorf("%v %s", err, out)
	}
	// The other cloud is not trusted any more.
	at.call(200, "PATCH", "/OS-FEDERATION/service_providers/away", object{"service_provider": object{"enabled": false}})
	if out, err := exec.Command(python, "-W", "ignore", "-c", keystoneToKeystone, home.AuthURL(), "pw", shared).CombinedOutput(); err == nil {
		t.Errorf("%s", out)
	}
}
