package bench

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A wire counts only whole answers with the status that is wanted.
func TestWire(t *testing.T) {
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Auth-Token")+" "+r.Header.Get("X-Subject-Token"))
		if r.URL.Path == "/gone" {
			http.Error(w, "no", http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(strings.Repeat("x", 1000)))
	}))
	defer s.Close()
	c := NewClient(s.URL)
	c.Token = "mine"
	w := c.NewWire(http.StatusOK, "GET", "/here", nil, "X-Subject-Token", "theirs")
	defer w.Close()
	for range 3 {
		if err := w.Do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(seen) != 3 || seen[2] != "GET /here mine theirs" {
		t.Errorf("the server saw %q", seen)
	}
	if n := len(w.idle); n != 1 {
		t.Errorf("%d connections are kept, want 1", n)
	}
	bad := c.NewWire(http.StatusOK, "GET", "/gone", nil)
	defer bad.Close()
	if err := bad.Do(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("a 404 gave %v", err)
	}
}
