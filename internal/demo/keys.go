package demo

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"golang.org/x/crypto/ssh"
)

// ensureKey makes an ed25519 key pair at path unless there is one, and returns
// the public half in authorized_keys form.
func ensureKey(path string) (string, error) {
	if b, err := os.ReadFile(path + ".pub"); err == nil {
		return string(b), nil
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	block, err := ssh.MarshalPrivateKey(private, "kumoi demo")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return "", err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", err
	}
	line := ssh.MarshalAuthorizedKey(key)
	return string(line), os.WriteFile(path+".pub", line, 0o600)
}

// credentials writes the demo user's openrc and clouds.yaml.
func (w *walk) credentials() (openrc, clouds string, err error) {
	c := w.of("demo", w.password, "demo")
	openrc, clouds = filepath.Join(w.Dir, "openrc"), filepath.Join(w.Dir, "clouds.yaml")
	if err := os.WriteFile(openrc, []byte(c.OpenRC()), 0o600); err != nil {
		return "", "", err
	}
	return openrc, clouds, os.WriteFile(clouds, []byte(c.CloudsYAML("kumoi-demo")), 0o600)
}

// Credentials is what a stock client needs to log in.
type Credentials struct {
	AuthURL, User, Password, Project, Region string
	CAFile                                   string // whom to trust beside the machine's own authorities; may be empty
}

// Client logs in.
func (c Credentials) Client(ctx context.Context) (*gophercloud.ProviderClient, error) {
	p, err := openstack.NewClient(c.AuthURL)
	if err != nil {
		return nil, err
	}
	if c.CAFile != "" {
		authorities, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, err
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, err
		}
		if !pool.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("%s holds no certificate", c.CAFile)
		}
		p.HTTPClient.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	}
	return p, openstack.Authenticate(ctx, p, gophercloud.AuthOptions{
		IdentityEndpoint: c.AuthURL, Username: c.User, Password: c.Password, DomainID: "default", TenantName: c.Project, AllowReauth: true,
	})
}

// OpenRC renders the credentials for a shell.
func (c Credentials) OpenRC() string {
	out := fmt.Sprintf(`export OS_AUTH_URL=%s
export OS_IDENTITY_API_VERSION=3
export OS_USERNAME=%s
export OS_PASSWORD=%s
export OS_PROJECT_NAME=%s
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_DOMAIN_NAME=Default
export OS_REGION_NAME=%s
`, c.AuthURL, quoted(c.User), quoted(c.Password), quoted(c.Project), quoted(c.Region))
	if c.CAFile != "" {
		out += "export OS_CACERT=" + quoted(c.CAFile) + "\n"
	}
	return out
}

// quoted is a word as a shell reads it back.
func quoted(s string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:/@", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// CloudsYAML renders the credentials as a clouds.yaml with one cloud.
func (c Credentials) CloudsYAML(name string) string {
	out := fmt.Sprintf(`clouds:
  %s:
    auth:
      auth_url: %s
      username: %s
      password: %q
      project_name: %s
      user_domain_name: Default
      project_domain_name: Default
    region_name: %s
    identity_api_version: 3
`, name, c.AuthURL, c.User, c.Password, c.Project, c.Region)
	if c.CAFile != "" {
		out += fmt.Sprintf("    cacert: %q\n", c.CAFile)
	}
	return out
}
