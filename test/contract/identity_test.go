package contract

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kumoi/test/apptest"
	"kumoi/test/stockclient"
)

// TestIdentity plays a session with every identity command of `openstack`.
func TestIdentity(t *testing.T) {
	py := stockclient.Start(t, "openstackclient.shell")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"filters.json": `{"interface": "public"}`, "rules.json": `{"rule": "role:painter"}`,
		"mapping.json": `[{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "OIDC-sub"}]}]`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := apptest.New(t)
	admin := c.Admin()
	c.NewUser(admin, "ann")
	c.NewUser(admin, "bob")
	s := &transcript{
		t: t, clients: py, used: map[string]bool{}, vars: map[string]string{"DIR": dir, "PASSWORD": "ann's password"},
		users: map[string]map[string]string{
			"admin": credentials(c, "admin", apptest.AdminPassword),
			"ann":   credentials(c, "ann", "ann's password"), "bob": credentials(c, "bob", "bob's password"),
		},
	}
	s.play("testdata/identity.txt")
	out, err := exec.Command("/usr/bin/python3", "-c", `from importlib.metadata import entry_points
for e in entry_points(group="openstack.identity.v3"):
    print("openstack", e.name.replace("_", " "))`).Output()
	if err != nil {
		t.Fatal(err)
	}
	s.complete(strings.Split(strings.TrimSpace(string(out)), "\n"), nil)
}
