package webget

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"kumoi/internal/kernel/errs"
)

func TestAddresses(t *testing.T) {
	r := Rules{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	for addr, ok := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true, "10.1.2.3": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "::": false, "0.0.0.0": false, "10.2.0.1": false,
		"172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "fe80::1": false, "fe80::1%eth0": false,
		"fd00::1": false, "100.64.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "::ffff:127.0.0.1": false,
		"::ffff:169.254.169.254": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "198.18.0.1": false,
	} {
		if err := r.address(netip.MustParseAddr(addr), "80"); (err == nil) != ok {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if r.address(netip.MustParseAddr("93.184.216.34"), "22") == nil {
		t.Error("port 22 of a public address may be reached")
	}
	if r.address(netip.MustParseAddr("10.1.2.3"), "8080") != nil {
		t.Error("port 8080 of an allowed network may not be reached")
	}
}

func TestCheck(t *testing.T) {
	r := Rules{}
	for u, ok := range map[string]bool{
		"http://example.com/x.img": true, "https://example.com:443/x": true, "http://93.184.216.34/x": true,
		"ftp://example.com/x": false, "file:///etc/passwd": false, "http://example.com:22/": false,
		"http://user:pw@example.com/": false, "http://127.0.0.1/": false, "http://[::1]/": false,
		"http://localhost/": false, "http://LOCALHOST./": false, "http://x.localhost": false, "http:///x": false,
		"http://2130706433/": false, "http://0x7f000001/": false, "http://0x7f.1/": false, "http://017700000001/": false,
		"http://127.1/": false, "http://0177.0.0.1/": false, "http://127.0.0.1./": false, "http://[::ffff:127.0.0.1]/": false,
		"http://[::ffff:7f00:1]/": false, "http://0/": false, "http://099.1/": false, "http://x1.example.com2/": true,
		"http://169.254.169.254/latest": false, "": false, "example.com/x": false,
	} {
		if _, err := r.Check(u); (err == nil) != ok {
			t.Errorf("%s: %v", u, err)
		}
	}
	r.Hosts = []string{"good.example.com"}
	if _, err := r.Check("http://bad.example.com/"); !errs.Is(err, errs.Invalid) {
		t.Error("a host that is not listed passes")
	}
}

// A redirect, and a name that resolves to a local address, must be stopped
// where the connection is made.
func TestConnectionsAreChecked(t *testing.T) {
	secret := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secret") }))
	defer secret.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(secret.URL, "http://"), ":")
	outside := httptest.NewUnstartedServer(http.RedirectHandler("http://127.0.0.1:"+port+"/", http.StatusFound))
	outside.Start()
	defer outside.Close()

	// As if the redirecting server were in an allowed network and the other not.
	allowed := Rules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	body, _, err := Get(context.Background(), allowed.Client(), outside.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	body.Close()

	if _, _, err := Get(context.Background(), (Rules{}).Client(), "http://localhost:"+port+"/", nil); !errs.Is(err, errs.Forbidden) {
		t.Errorf("a name of this machine: %v", err)
	}
	other := Rules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}}
	c := other.Client()
	if err := c.CheckRedirect(httptest.NewRequest("GET", "http://127.0.0.1:"+port+"/", nil), nil); err == nil {
		t.Error("a redirect to this machine passes")
	}
}

// A URL may have 4096 bytes, and a server may redirect four times.
func TestBounds(t *testing.T) {
	allowed := Rules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	at := "http://example.com/"
	for n, ok := range map[int]bool{4096: true, 4097: false} {
		if _, err := (Rules{}).Check(at + strings.Repeat("x", n-len(at))); (err == nil) != ok {
			t.Errorf("a URL of %d bytes: %v", n, err)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var left int
		if _, _ = fmt.Sscanf(r.URL.Path, "/%d", &left); left > 0 {
			http.Redirect(w, r, fmt.Sprintf("/%d", left-1), http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "here")
	}))
	defer server.Close()
	for n, ok := range map[int]bool{4: true, 5: false} {
		body, size, err := Get(t.Context(), allowed.Client(), fmt.Sprintf("%s/%d", server.URL, n), nil)
		if ok && (err != nil || size != 4) || !ok && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "too often")) {
			t.Errorf("%d redirects: %d bytes, %v", n, size, err)
		}
		if err == nil {
			body.Close()
		}
	}
	r := Rules{Hosts: []string{"good.example.com"}}
	for u, ok := range map[string]bool{"http://good.example.com/": true, "http://GOOD.example.com./": true, "http://xgood.example.com/": false} {
		if _, err := r.Check(u); (err == nil) != ok {
			t.Errorf("%s of listed hosts: %v", u, err)
		}
	}
	for u, ok := range map[string]bool{"http://example.com:8080/": true, "http://localhost:8080/": true, "http://127.0.0.1:8080/": true, "http://10.0.0.1/": false} {
		if _, err := allowed.Check(u); (err == nil) != ok {
			t.Errorf("%s, where networks are allowed: %v", u, err)
		}
	}
}

// Whose fault it is that nothing comes is told by the error's kind.
func TestAnswers(t *testing.T) {
	status := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Told") != "yes" {
			status = http.StatusTeapot
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	c := Rules{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}.Client()
	header := http.Header{"X-Told": {"yes"}}
	for s, kind := range map[int]errs.Kind{201: errs.Invalid, 404: errs.Invalid, 499: errs.Invalid, 500: errs.Unavailable, 503: errs.Unavailable} {
		status = s
		if _, _, err := Get(t.Context(), c, server.URL, header); !errs.Is(err, kind) {
			t.Errorf("%d: %v", s, err)
		}
	}
	for _, s := range []int{200, 206} {
		status = s
		body, _, err := Get(t.Context(), c, server.URL, header)
		if err != nil {
			t.Fatalf("%d: %v", s, err)
		}
		body.Close()
	}
	if _, _, err := Get(t.Context(), c, "http://%zz/", nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("no URL: %v", err)
	}
	server.Close()
	if _, _, err := Get(t.Context(), c, server.URL, header); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a server that is away: %v", err)
	}
	lost := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{IsNotFound: true}
	}}}
	if _, _, err := Get(t.Context(), lost, "http://example.com/", nil); !errs.Is(err, errs.Invalid) {
		t.Errorf("a name that nobody knows: %v", err)
	}
	silent := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{IsTimeout: true}
	}}}
	if _, _, err := Get(t.Context(), silent, "http://example.com/", nil); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a resolver that is silent: %v", err)
	}
}
