package ldap_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/identity/ldap"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/kernel/waittest"
)

type object = map[string]any

const tree = `dn: dc=corp,dc=test
objectClass: dcObject
objectClass: organization
dc: corp
o: Corp

dn: ou=people,dc=corp,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=corp,dc=test
objectClass: organizationalUnit
ou: groups

dn: uid=ann,ou=people,dc=corp,dc=test
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: Example
mail: ann@corp.test
userPassword: annpw

dn: uid=bob,ou=people,dc=corp,dc=test
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Example
userPassword: bobpw

dn: cn=ops,ou=groups,dc=corp,dc=test
objectClass: groupOfNames
cn: ops
member: uid=ann,ou=people,dc=corp,dc=test
`

const (
	rootDN = "cn=root,dc=corp,dc=test"
	rootPW = "rootpw"
)

// slapd starts Debian's OpenLDAP server in a folder of its own.
func slapd(t *testing.T) string {
	t.Helper()
	bin := "/usr/sbin/slapd"
	if _, err := os.Stat(bin); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("slapd is not installed; make test installs it")
		}
		t.Skip("slapd is not installed")
	}
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "ldap://" + l.Addr().String()
	l.Close()
	conf := fmt.Sprintf(`include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/pid
database mdb
maxsize 10485760
suffix "dc=corp,dc=test"
rootdn "%[2]s"
rootpw %[3]s
directory %[1]s/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn="%[2]s" read by * none
`, dir, rootDN, rootPW)
	for name, text := range map[string]string{"slapd.conf": conf, "tree.ldif": tree} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("/usr/sbin/slapadd", "-f", filepath.Join(dir, "slapd.conf"), "-l", filepath.Join(dir, "tree.ldif")).CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	cmd := exec.Command(bin, "-d", "0", "-f", filepath.Join(dir, "slapd.conf"), "-h", url)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	waittest.Until(t, 20*time.Second, func() error {
		c, err := goldap.DialURL(url)
		if err == nil {
			c.Close()
		}
		return err
	})
	return url
}

func TestDomainOfADirectory(t *testing.T) {
	url := slapd(t)
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := identitytest.New(t, db, func(d *identity.Deps) { d.Directory = ldap.Directory{} })
		admin := c.Admin()
		domain := c.Create(admin, "/v3/domains", "domain", object{"name": "corp"})
		c.Must(201, "PUT", "/v3/domains/"+domain+"/config", admin, object{"config": object{
			"identity": object{"driver": "ldap"},
			"ldap": object{
				"url": url, "user": rootDN, "password": rootPW, "suffix": "dc=corp,dc=test", "user_tree_dn": "ou=people,dc=corp,dc=test",
				"group_tree_dn": "ou=groups,dc=corp,dc=test", "user_id_attribute": "uid", "user_name_attribute": "uid", "group_name_attribute": "cn",
			},
		}})
		if shown := c.Must(200, "GET", "/v3/domains/"+domain+"/config", admin, nil); strings.Contains(string(shown.Raw), rootPW) {
			t.Errorf("the directory's password is shown: %s", shown.Raw)
		}
		users := c.Must(200, "GET", "/v3/users?domain_id="+domain, admin, nil).Body["users"].([]any)
		if len(users) != 2 {
			t.Fatalf("%d users", len(users))
		}
		byName := map[string]object{}
		for _, u := range users {
			byName[u.(object)["name"].(string)] = u.(object)
		}
		ann := byName["ann"]["id"].(string)
		if byName["ann"]["email"] != "ann@corp.test" || len(ann) != 64 {
			t.Errorf("ann %v", byName["ann"])
		}
		groups := c.Must(200, "GET", "/v3/groups?domain_id="+domain, admin, nil).Body["groups"].([]any)
		if len(groups) != 1 {
			t.Fatalf("%d groups", len(groups))
		}
		ops := groups[0].(object)["id"].(string)

		// A role of the group is the member's; the directory checks the password.
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		c.Must(204, "PUT", "/v3/projects/"+project+"/groups/"+ops+"/roles/"+c.Role(admin, "member"), admin, nil)
		token := c.Login(ann, "annpw", identitytest.Project(project))
		c.Must(200, "GET", "/v3/auth/projects", token, nil)
		for name, pw := range map[string]string{"wrong": "bobpw", "empty": "", "a filter": "*"} {
			if a := c.Do("POST", "/v3/auth/tokens", "", identitytest.PasswordBody(ann, pw, "unscoped")); a.Status != 401 {
				t.Errorf("%s password: %d", name, a.Status)
			}
		}
		byNameLogin := func(name string) int {
			return c.Do("POST", "/v3/auth/tokens", "", object{"auth": object{"identity": object{"methods": []string{"password"}, "password": object{
				"user": object{"name": name, "domain": object{"name": "corp"}, "password": "annpw"},
			}}, "scope": "unscoped"}}).Status
		}
		if s := byNameLogin("ann"); s != 201 {
			t.Errorf("by name: %d", s)
		}
		for _, evil := range []string{"*", "an*", "ann)(uid=*", "nobody"} {
			if s := byNameLogin(evil); s != 401 {
				t.Errorf("as %q: %d", evil, s)
			}
		}

		// What the directory keeps cannot be changed here.
		c.Must(403, "POST", "/v3/users", admin, object{"user": object{"name": "x", "domain_id": domain}})
		c.Must(403, "PATCH", "/v3/users/"+ann, admin, object{"user": object{"name": "x"}})
		c.Must(403, "PATCH", "/v3/users/"+ann, admin, object{"user": object{"password": "x"}})
		c.Must(403, "DELETE", "/v3/users/"+ann, admin, nil)
		c.Must(403, "PATCH", "/v3/groups/"+ops, admin, object{"group": object{"name": "x"}})
		c.Must(403, "DELETE", "/v3/groups/"+ops+"/users/"+ann, admin, nil)

		// Who leaves the directory leaves here.
		conn, err := goldap.DialURL(url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.Bind(rootDN, rootPW); err != nil {
			t.Fatal(err)
		}
		if err := conn.Del(goldap.NewDelRequest("uid=ann,ou=people,dc=corp,dc=test", nil)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { restoreAnn(t, url) })
		c.Clock.Advance(time.Minute)
		if users := c.Must(200, "GET", "/v3/users?domain_id="+domain, admin, nil).Body["users"].([]any); len(users) != 1 {
			t.Errorf("%d users after one left", len(users))
		}
		c.Must(401, "GET", "/v3/auth/projects", token, nil)
	})
}

// restoreAnn puts the user back for the run on the other database.
func restoreAnn(t *testing.T, url string) {
	t.Helper()
	conn, err := goldap.DialURL(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind(rootDN, rootPW); err != nil {
		t.Fatal(err)
	}
	add := goldap.NewAddRequest("uid=ann,ou=people,dc=corp,dc=test", nil)
	for k, v := range map[string]string{"objectClass": "inetOrgPerson", "uid": "ann", "cn": "Ann", "sn": "Example", "mail": "ann@corp.test", "userPassword": "annpw"} {
		add.Attribute(k, []string{v})
	}
	if err := conn.Add(add); err != nil {
		t.Fatal(err)
	}
}

// A domain that the settings name mirrors its directory from the start, and
// what the settings say wins over what the API has set.
func TestDomainOfTheSettings(t *testing.T) {
	url := slapd(t)
	c := identitytest.New(t, storetest.SQLite(t), func(d *identity.Deps) { d.Directory = ldap.Directory{} })
	options := object{
		"url": url, "user": rootDN, "password": rootPW, "suffix": "dc=corp,dc=test", "user_tree_dn": "ou=people,dc=corp,dc=test",
		"group_tree_dn": "ou=groups,dc=corp,dc=test", "user_id_attribute": "uid", "user_name_attribute": "uid", "group_name_attribute": "cn",
	}
	ctx := actor.AsSystem(t.Context(), "settings")
	configure := func() {
		t.Helper()
		if err := c.Svc.ConfigureDirectory(ctx, "corp", options); err != nil {
			t.Fatal(err)
		}
	}
	configure()
	configure() // as at the next start
	admin := c.Admin()
	domains := c.Must(200, "GET", "/v3/domains?name=corp", admin, nil).Body["domains"].([]any)
	if len(domains) != 1 {
		t.Fatalf("%d domains", len(domains))
	}
	domain := domains[0].(object)["id"].(string)
	if users := c.Must(200, "GET", "/v3/users?domain_id="+domain, admin, nil).Body["users"].([]any); len(users) != 2 {
		t.Errorf("%d users", len(users))
	}
	c.Must(200, "PATCH", "/v3/domains/"+domain+"/config", admin, object{"config": object{"ldap": object{"user_tree_dn": "ou=groups,dc=corp,dc=test"}}})
	configure()
	if got := c.Must(200, "GET", "/v3/domains/"+domain+"/config/ldap/user_tree_dn", admin, nil).Text("config", "user_tree_dn"); got != "ou=people,dc=corp,dc=test" {
		t.Errorf("the settings gave way: %s", got)
	}
	for name, bad := range map[string]object{
		"unknown option": {"url": url, "suffix": "dc=corp,dc=test", "colour": "red"},
		"no suffix":      {"url": url},
	} {
		if err := c.Svc.ConfigureDirectory(ctx, "other", bad); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.Svc.ConfigureDirectory(ctx, "Default", options); !errs.Is(err, errs.Invalid) {
		t.Errorf("the default domain: %v", err)
	}
}
