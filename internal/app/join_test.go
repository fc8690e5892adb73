package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReachable(t *testing.T) {
	for _, c := range []struct{ remote, bus, want string }{
		{"ssl:192.0.2.1:6642", "tls://192.0.2.9:4222", "ssl:192.0.2.1:6642"},
		{"ssl:0.0.0.0:6642", "tls://192.0.2.9:4222", "ssl:192.0.2.9:6642"},
		{"ssl:[::]:6642", "tls://[2001:db8::1]:4222", "ssl:[2001:db8::1]:6642"},
		{"ssl::6642", "tls://control:4222", "ssl:control:6642"},
	} {
		if got := reachable(c.remote, c.bus); got != c.want {
			t.Errorf("%s with the bus at %s: %s, want %s", c.remote, c.bus, got, c.want)
		}
	}
}

func TestReadJoinFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "creds")
	for _, c := range []struct{ content, want string }{
		{"", "no credentials file"},
		{`{"host":"far"}`, "no credentials file"},
		{`{"bus":{"host":"far"},"southbound":{"remote":"ssl:192.0.2.1:6642"}}`, ""},
	} {
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readJoinFile(path)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "kumoi admin host add")) {
			t.Errorf("%q: %v", c.content, err)
		}
	}
}
