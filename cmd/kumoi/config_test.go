package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"kumoi/internal/app"
)

// parse reads a command line as main does.
func parse(t *testing.T, args ...string) (*commands, error) {
	t.Helper()
	file, err := loadConfig(args)
	if err != nil {
		t.Fatal(err)
	}
	var cli commands
	k, err := kong.New(&cli, kong.Name("kumoi"), kong.Resolvers(file), structured[app.IdentityProviders](), structured[app.LDAPDomains](), kong.ExplicitGroups([]kong.Group{{Key: "cloud"}}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Parse(args)
	return &cli, err
}

// Stores of images are one setting, whichever way they come in.
func TestImageStoresInAllForms(t *testing.T) {
	want := []app.ImageStore{{ID: "a", Type: "file", Path: "/a", Weight: 3}, {ID: "b", Type: "http"}}
	text := "id=a,type=file,path=/a,weight=3;id=b,type=http"
	yaml := filepath.Join(t.TempDir(), "kumoi.yaml")
	if err := os.WriteFile(yaml, []byte("image-stores:\n- {id: a, type: file, path: /a, weight: 3}\n- 'id=b,type=http'\nimage-inject: {made-by: import}\nimage-store-cache-gib: 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(what string, cli *commands, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(cli.Up.Images.Stores, want) {
			t.Errorf("%s: %+v, %v", what, cli.Up.Images.Stores, err)
		}
	}
	cli, err := parse(t, "up", "--image-stores", text)
	check("flag", cli, err)
	cli, err = parse(t, "up", "--config", yaml)
	check("file", cli, err)
	if cli.Up.Images.Inject["made-by"] != "import" || cli.Up.Images.StoreCacheGiB == nil || *cli.Up.Images.StoreCacheGiB != 0 {
		t.Errorf("other settings of the file: %+v", cli.Up.Images)
	}
	t.Setenv("KUMOI_IMAGE_STORES", text)
	cli, err = parse(t, "up")
	check("environment", cli, err)
}

// Backends of volumes are one setting, whichever way they come in.
func TestVolumeBackendsInAllForms(t *testing.T) {
	want := []app.VolumeBackend{
		{Name: "file", Type: "file", ReservedPercent: 5},
		{Name: "nas", Type: "nfs", Share: "192.0.2.1:/volumes", OverSubscription: 1.5},
	}
	text := "name=file,type=file,reserved-percent=5;name=nas,type=nfs,share=192.0.2.1:/volumes,over-subscription=1.5"
	yaml := filepath.Join(t.TempDir(), "kumoi.yaml")
	if err := os.WriteFile(yaml, []byte("volume-backends:\n- {name: file, type: file, reserved-percent: 5}\n- 'name=nas,type=nfs,share=192.0.2.1:/volumes,over-subscription=1.5'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, args := range map[string][]string{"flag": {"agent", "--volume-backends", text}, "file": {"agent", "--config", yaml}} {
		cli, err := parse(t, args...)
		if err != nil || !reflect.DeepEqual(cli.Agent.Volumes.Backends, want) {
			t.Errorf("%s: %+v, %v", what, cli.Agent.Volumes.Backends, err)
		}
	}
}

// The file's keys are settings of the cloud, not flags of one command.
func TestConfigFileKeys(t *testing.T) {
	yaml := filepath.Join(t.TempDir(), "kumoi.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("host: node1\n")
	cli, err := parse(t, "image", "cache", "--config", yaml)
	if err != nil || len(cli.Image.Cache.Host) > 0 {
		t.Errorf("the cloud's host was taken for a flag: %v, %v", cli.Image.Cache.Host, err)
	}
	for text, complaint := range map[string]string{
		"image-store: x\n": "unknown key", "detach: true\n": "unknown key",
		"image-stores: [{id: a, type: file, bucket: x}]\n": "no key \"bucket\"",
	} {
		write(text)
		if _, err := parse(t, "up", "--config", yaml); err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Identity providers and directories are lists of objects in the file, YAML
// elsewhere, and a key that they do not have is named.
func TestStructuredSettings(t *testing.T) {
	want := app.IdentityProviders{{IDP: "corp", Protocol: "openid", Issuer: "https://login.example.org", ClientID: "kumoi", Scopes: []string{"profile"}}}
	text := "[{idp: corp, protocol: openid, issuer: 'https://login.example.org', client-id: kumoi, scopes: [profile]}]"
	yaml := filepath.Join(t.TempDir(), "kumoi.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, cli *commands, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(cli.Up.IdentityProviders, want) {
			t.Errorf("%s: %+v, %v", what, cli.Up.IdentityProviders, err)
		}
	}
	cli, err := parse(t, "up", "--identity-providers", text)
	check("flag", cli, err)
	write("identity-providers: " + text + "\nldap-domains:\n  corp: {url: 'ldap://l', suffix: dc=x, use_tls: true}\ntrusted-dashboards: ['https://d.example.org/']\n")
	cli, err = parse(t, "up", "--config", yaml)
	check("file", cli, err)
	if cli.Up.LDAPDomains["corp"]["use_tls"] != true || !reflect.DeepEqual(cli.Up.TrustedDashboards, []string{"https://d.example.org/"}) {
		t.Errorf("other settings of the file: %+v", cli.Up.FederationSettings)
	}
	write("identity-providers: [{idp: corp, colour: red}]\n")
	if _, err = parse(t, "up", "--config", yaml); err == nil || !strings.Contains(err.Error(), "colour") || !strings.Contains(err.Error(), "identity-providers") {
		t.Errorf("a key that is none: %v", err)
	}
	write("identity-provider: []\n")
	if _, err = parse(t, "up", "--config", yaml); err == nil || !strings.Contains(err.Error(), `"identity-provider"`) {
		t.Errorf("a setting that is none: %v", err)
	}
	t.Setenv("KUMOI_IDENTITY_PROVIDERS", text)
	cli, err = parse(t, "up")
	check("environment", cli, err)
}
