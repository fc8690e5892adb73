package fuzz

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"kumoi/internal/app"
	"kumoi/test/apptest"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func setting(t *testing.T, name string, fallback int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

const (
	perCloud = 20000 // requests until what they have made is thrown away with the cloud
	mostHeap = 64 << 20
	patience = 30 * time.Second
)

// TestWholeGateway is what the package is for.
func TestWholeGateway(t *testing.T) {
	seconds, most := setting(t, "KUMOI_FUZZ_SECONDS", 0), setting(t, "KUMOI_FUZZ_REQUESTS", 2000)
	until := time.Now().Add(time.Duration(seconds) * time.Second)
	routes, err := app.Routes()
	if err != nil {
		t.Fatal(err)
	}
	g := newGenerator(uint64(setting(t, "KUMOI_FUZZ_SEED", 1)), routes) //nolint:gosec // any number will do
	r := &run{t: t, g: g, statuses: map[int]int{}, faults: map[string]int{}}
	for (seconds > 0 && time.Now().Before(until) || seconds == 0 && r.count < most) && len(r.faults) < 40 {
		end := r.count + perCloud
		if seconds == 0 {
			end = min(end, most)
		}
		t.Run(fmt.Sprintf("from-%d", r.count), func(t *testing.T) { r.cloud(t, end, seconds, until) })
	}
	t.Logf("%d requests over %d routes, answered with %v", r.count, len(routes), r.statuses)
	for _, what := range sortedKeys(r.faults) {
		t.Errorf("%d times: %s", r.faults[what], what)
	}
}

type run struct {
	t        *testing.T
	g        *generator
	count    int
	statuses map[int]int
	faults   map[string]int
}

// cloud sends requests to a cloud of their own.
func (r *run) cloud(t *testing.T, end, seconds int, until time.Time) {
	c := apptest.Make(t)
	// Short, for bodies without an end; long enough for a machine that is busy
	// with other things, where an answer would be cut off as unread.
	c.Config.StallTimeout = 3 * time.Second
	c.Start()
	admin := c.Admin()
	member := c.NewUser(admin, "somebody")
	r.g.tokens = []string{"", admin.Provider.TokenID, admin.Provider.TokenID, member.Provider.TokenID, member.Provider.TokenID}
	var wire *wire
	defer func() { wire.close() }()
	heap := uint64(0)
	for started := r.count; r.count < end && (seconds == 0 || time.Now().Before(until)) && len(r.faults) < 40; r.count++ {
		if r.count == started+2000 { // caches are filled
			heap = heapInUse()
		}
		if wire == nil {
			wire = dial(t, c.Config.Listen)
		}
		text, route, whole := r.g.request()
		resp, body, err := wire.exchange(text)
		what := route.Service + " " + route.Method + " " + route.Path
		switch {
		case err != nil && !parses(text):
			// net/http has answered 400 by itself and closed the connection with
			// part of the head unread, which may reset it before the answer is read.
			r.statuses[0]++
		case err != nil:
			r.faults[fmt.Sprintf("%s: no answer: %v\n%.2000q", what, err, text)]++
		case resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented:
			r.faults[fmt.Sprintf("%s: %d (request %d)", what, resp.StatusCode, r.count)]++
			t.Logf("%s: %d\n%.4000q\n%s\n%s", what, resp.StatusCode, text, body, logged(c, resp.Header.Get("X-Openstack-Request-Id")))
		default:
			r.statuses[resp.StatusCode]++
			r.g.learn(body)
		}
		if err != nil || resp.Close || !whole || resp.StatusCode < 200 {
			wire.close()
			wire = nil
		}
	}
	if now := heapInUse(); heap > 0 && now > heap+mostHeap {
		r.faults[fmt.Sprintf("the heap grew from %d to %d MiB", heap>>20, now>>20)]++
	}
	if c.Logged("panic: ") {
		r.faults["a panic is in the log of "+c.Config.DataDir]++
	}
}

// parses tells whether a request's target is one that reaches the gateway.
func parses(text string) bool {
	_, rest, _ := strings.Cut(text, " ")
	target, _, _ := strings.Cut(rest, " ")
	_, err := url.ParseRequestURI(target)
	return err == nil
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// logged are the lines of the cloud's log about a request.
func logged(c *apptest.Cloud, id string) string {
	b, err := os.ReadFile(c.Config.DataDir + "/kumoi.log")
	if err != nil || id == "" {
		return ""
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, id) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// wire is a connection on which anything can be said.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, addr string) *wire {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return &wire{c, bufio.NewReader(c)}
}

func (w *wire) close() {
	if w != nil {
		w.Conn.Close()
	}
}

func (w *wire) exchange(text string) (*http.Response, []byte, error) {
	_ = w.SetDeadline(time.Now().Add(patience))
	_, sent := io.WriteString(w, text) // it may be refused, and the rest not be read
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		return nil, nil, fmt.Errorf("%w (sending: %v)", err, sent) //nolint:errorlint // told beside it
	}
	if resp.Header.Get("Content-Type") == "text/event-stream" { // it has no end: its beginning is the answer
		first, err := bufio.NewReader(resp.Body).ReadBytes('\n')
		resp.Close = true
		return resp, first, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	return resp, body, err
}
