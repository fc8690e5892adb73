package contract

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"kumoi/internal/app"
	"kumoi/test/apptest"
	"kumoi/test/stockclient"
)

// TestImage plays a session with every command of `openstack image` and of
// the glance client.
func TestImage(t *testing.T) {
	py := stockclient.Start(t, "openstackclient.shell", "glanceclient.shell")
	dir := t.TempDir()
	data := strings.Repeat("bytes of a disk\n", 10_000)
	for name, text := range map[string]string{
		"disk": data, "other": data + "more",
		"namespace.json": `{"namespace": "Imported", "display_name": "Imported", "properties": {"size": {"title": "Size", "type": "integer"}}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	web := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer web.Close()

	c := apptest.Make(t)
	c.Config.WebAllow = []string{"127.0.0.0/8"}
	c.Config.Images = app.ImageSettings{ShowLocations: true, Stores: []app.ImageStore{
		{ID: "one", Type: "file", Path: filepath.Join(dir, "one")}, {ID: "two", Type: "file", Path: filepath.Join(dir, "two")}, {ID: "web", Type: "http"},
	}}
	c.Start()
	admin := c.Admin()
	c.NewUser(admin, "ann")
	c.NewUser(admin, "bob")
	s := &transcript{
		t: t, clients: py, used: map[string]bool{},
		vars: map[string]string{"DIR": dir, "WEB": web.URL},
		users: map[string]map[string]string{
			"admin": credentials(c, "admin", apptest.AdminPassword),
			"ann":   credentials(c, "ann", "ann's password"), "bob": credentials(c, "bob", "bob's password"),
		},
	}
	s.play("testdata/image.txt")
	if got, err := os.ReadFile(filepath.Join(dir, "saved")); err != nil || string(got) != data {
		t.Errorf("openstack image save: %d bytes, %v", len(got), err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "downloaded")); err != nil || string(got) != data {
		t.Errorf("glance image-download: %d bytes, %v", len(got), err)
	}
	s.complete(append(commands(t, "openstack.image.v2"), s.glanceCommands()...), map[string]string{
		"glance bash-completion": "no operation of a cloud", "glance help": "no operation of a cloud",
	})
}

// glanceCommands reads the glance client's commands from its help.
func (s *transcript) glanceCommands() []string {
	s.t.Helper()
	a, err := s.clients.Run("glance", []string{"help"}, s.users["admin"])
	if err != nil || a.Code != 0 {
		s.t.Fatalf("glance help: %v\n%s", err, a.Err)
	}
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^    ([a-z-]+)(?:  |$)`).FindAllStringSubmatch(a.Out, -1) {
		out = append(out, "glance "+m[1])
	}
	return out
}
