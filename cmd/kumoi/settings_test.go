package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"kumoi/internal/app"
)

// ran runs a command line and returns what it printed.
func ran(t *testing.T, args ...string) (string, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	text := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		text <- string(b)
	}()
	var cli commands
	k, err := parser(t.Context(), &cli, &fileConfig{})
	if err == nil {
		var parsed *kong.Context
		if parsed, err = k.Parse(args); err == nil {
			err = parsed.Run()
		}
	}
	os.Stdout = stdout
	w.Close()
	return <-text, err
}

// The data directory alone says where its cloud is: while it runs and when it
// has stopped, and nothing that is said beside it sends a password elsewhere.
func TestCommandsAskTheCloudOfTheDataDirectory(t *testing.T) {
	dir := t.TempDir()
	cert, key := selfSigned(t, dir)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := free.Addr().String()
	free.Close()
	cfg := app.Config{
		DataDir: dir, Listen: listen, Region: "north", TLSCert: cert, TLSKey: key, OutsideCIDR: "10.99.0.0/24",
		Host: "h", Hypervisor: "fake", Fabric: "fake", VirtType: "qemu", PasswordsCheap: true, LogFormat: "text", LogLevel: "info",
	}
	cloud, err := app.Start(t.Context(), &cfg, app.Roles{Control: true, Host: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if !stopped {
			stopped = true
			if err := cloud.Stop(); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	check := func(t *testing.T) {
		t.Helper()
		for _, more := range [][]string{nil, {"--listen", "127.0.0.1:1", "--region", "south"}} {
			rc, err := ran(t, append([]string{"openrc", "--data-dir", dir}, more...)...)
			for _, want := range []string{"OS_AUTH_URL=https://" + listen + "/identity/v3\n", "OS_REGION_NAME=north\n", "OS_CACERT=" + cert + "\n"} {
				if err != nil || !strings.Contains(rc, want) {
					t.Errorf("openrc %v: %v, no %q in\n%s", more, err, want, rc)
				}
			}
		}
		yaml, err := ran(t, "openrc", "--data-dir", dir, "--format", "clouds.yaml")
		if err != nil || !strings.Contains(yaml, listen) || !strings.Contains(yaml, "cacert: \""+cert+"\"") {
			t.Errorf("%v: %s", err, yaml)
		}
		found := app.Config{DataDir: dir, Listen: "127.0.0.1:5000", Region: "RegionOne", Hypervisor: "libvirt", Fabric: "ovn", OutsideCIDR: "172.24.4.0/24"}
		if _, err := app.Adopt(t.Context(), &found); err != nil || !found.Fake() || found.Host != "h" || found.OutsideCIDR != "10.99.0.0/24" {
			t.Errorf("%v: %+v", err, found)
		}
	}
	t.Run("running", func(t *testing.T) {
		check(t)
		out, _ := ran(t, "doctor", "--data-dir", dir)
		if !strings.Contains(out, listen+" is Kumoi's") {
			t.Errorf("doctor looks elsewhere:\n%s", out)
		}
		c := cloudFlags{app.Config{DataDir: dir, Listen: "127.0.0.1:1"}}
		creds, err := runningCloud(t.Context(), &c.Config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := creds.Client(context.Background()); err != nil {
			t.Errorf("log in by the cloud's own certificate: %v", err)
		}
	})
	stop()
	t.Run("stopped", func(t *testing.T) {
		check(t)
		out, _ := ran(t, "doctor", "--data-dir", dir)
		if !strings.Contains(out, listen+" is free") {
			t.Errorf("doctor looks elsewhere:\n%s", out)
		}
		if out, _ = ran(t, "doctor", "--data-dir", dir, "--listen", "127.0.0.1:0"); !strings.Contains(out, "127.0.0.1:0 is free") {
			t.Errorf("doctor does not check what the next start is to be given:\n%s", out)
		}
		for _, command := range [][]string{{"demo"}, {"image", "fetch", "debian-12"}} {
			if _, err := ran(t, append(command, "--data-dir", dir)...); err == nil || !strings.Contains(err.Error(), "does not run; start it with") {
				t.Errorf("%v of a cloud that is stopped: %v", command, err)
			}
		}
	})
	if _, err := ran(t, "openrc", "--data-dir", filepath.Join(dir, "other")); err == nil || !strings.Contains(err.Error(), "there is no cloud in") {
		t.Errorf("no cloud: %v", err)
	}
}

func selfSigned(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
