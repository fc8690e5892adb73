package apptest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
)

// ask sends a request and returns the answer's status, header and body.
func (c *Cloud) ask(method, path, token, body string, headers ...string) (int, http.Header, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.base()+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// base is the cloud's own address.
func (c *Cloud) base() string { return strings.TrimSuffix(c.AuthURL(), "/identity/v3") }

// A person may give any address of the cloud to log in at.
func TestLoginFromEveryAddress(t *testing.T) {
	t.Parallel()
	c := New(t)
	for _, path := range []string{"", "/", "/identity", "/identity/", "/identity/v3", "/identity/v3/"} {
		p, err := openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{
			IdentityEndpoint: c.base() + path, Username: "admin", Password: AdminPassword, DomainID: "default", TenantName: "admin",
		})
		if err != nil || p.TokenID == "" {
			t.Errorf("%q: %v", path, err)
		}
	}
	// What discovery reads at any of them are versions, each with an id and an address.
	for _, path := range []string{"/", "/identity", "/compute", "/image", "/image/versions", "/network", "/placement"} {
		_, _, body := c.ask("GET", path, "", "", "Accept", "application/json")
		var doc struct{ Versions json.RawMessage }
		if err := json.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatalf("%s: %v: %s", path, err, body)
		}
		list := doc.Versions
		if bytes.HasPrefix(list, []byte("{")) {
			var inner struct{ Values json.RawMessage }
			_ = json.Unmarshal(list, &inner)
			list = inner.Values
		}
		var versions []struct {
			ID    string
			Links []struct{ Rel, Href string }
		}
		if err := json.Unmarshal(list, &versions); err != nil || len(versions) == 0 {
			t.Fatalf("%s: no versions: %v: %s", path, err, body)
		}
		for _, v := range versions {
			self := ""
			for _, l := range v.Links {
				if l.Rel == "self" {
					self = l.Href
				}
			}
			// Whatever is promised is there, at its address or behind a token.
			if self == "" { // relative to the document, as Placement has it
				self = c.base() + path
			}
			status, _, _ := c.ask("GET", strings.TrimPrefix(self, c.base()), "", "")
			if !strings.HasPrefix(self, c.base()) || status != 200 && status != 401 {
				t.Errorf("%s: version %s at %q: %d", path, v.ID, self, status)
			}
		}
	}
}

// Paths that clients make of the addresses they were given.
func TestPathsThatClientsMake(t *testing.T) {
	t.Parallel()
	c := New(t)
	admin := c.Admin()
	token := admin.Provider.TokenID
	_, _, own := c.ask("GET", "/identity/v3/auth/tokens", token, "", "X-Subject-Token", token)
	var doc struct {
		Token struct{ Project struct{ ID string } }
	}
	if err := json.Unmarshal([]byte(own), &doc); err != nil {
		t.Fatal(err)
	}
	project := doc.Token.Project.ID
	for _, tc := range []struct {
		method, path, token, body string
		status                    int
		want                      string
	}{
		{"GET", "/compute/v2.1/" + project + "//servers", token, "", 200, "servers"},
		{"GET", "//compute///v2.1//servers", token, "", 200, "servers"},
		{"GET", "/network//v2.0//networks", token, "", 200, "networks"},
		{"GET", "/image//v2//images", token, "", 200, "images"},
		{"GET", "/placement//resource_providers", token, "", 200, "resource_providers"},
		{"GET", "/identity//v3//users", token, "", 200, "users"},

		{"POST", "/identity/v3/tokens", "", "{}", 404, "error"},
		{"POST", "/identity/auth/tokens", "", "{}", 404, "error"},
		{"POST", "/identity/v2.0/tokens", "", "{}", 404, "error"},
		{"POST", "/auth/tokens", "", "{}", 404, "error"},
		{"POST", "/tokens", "", "{}", 404, "error"},
		{"POST", "/", "", "{}", 404, "error"},
		{"GET", "/identity/v3/users", "", "", 401, "error"},
		{"GET", "/compute/v2.1/nothing", "", "", 401, ""},

		{"GET", "/compute/v2/" + project + "/servers", token, "", 200, "servers"},
		{"GET", "/compute/v2/" + project + "/flavors/detail", token, "", 200, "flavors"},
		{"GET", "/compute/v2/servers", token, "", 200, "servers"},
		{"GET", "/compute/v2/servers", "", "", 401, ""},
		{"GET", "/compute/v2/ffffffffffffffffffffffffffffffff/servers", token, "", 400, "doesn't match"},
		{"GET", "/compute/v2/", "", "", 200, "v2.0"},
		{"GET", "/compute/v3/servers", token, "", 404, ""},

		{"GET", "/image/v2.0/images", token, "", 200, "images"},
		{"GET", "/image/v2.5/images", token, "", 200, "images"},
		{"GET", "/image/v2.5/images", "", "", 401, ""},
		{"GET", "/image/v2.99/images", token, "", 300, "versions"},
		{"GET", "/image/v3/images", "", "", 300, "versions"},
		{"GET", "/image/v1/images", token, "", 300, "versions"},
		{"POST", "/image/v1/images", token, "{}", 300, "versions"},

		{"GET", "/identity/%ff", "", "", 400, "UTF-8"},
		{"GET", "/network/v2.0/%ff", token, "", 400, "UTF-8"},
		{"GET", "/%ff", "", "", 400, "UTF-8"},
	} {
		status, _, body := c.ask(tc.method, tc.path, tc.token, tc.body)
		if status != tc.status || !strings.Contains(body, tc.want) {
			t.Errorf("%s %s: %d %.200s, want %d with %q", tc.method, tc.path, status, body, tc.status, tc.want)
		}
	}
	// The older version knows no microversions.
	status, header, body := c.ask("GET", "/compute/v2/flavors/detail", token, "", "X-OpenStack-Nova-API-Version", "2.61")
	if status != 200 || header.Get("X-OpenStack-Nova-API-Version") != "" || strings.Contains(body, "extra_specs") {
		t.Errorf("v2 with a microversion: %d %v %.200s", status, header, body)
	}
}
