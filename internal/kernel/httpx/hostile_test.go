package httpx

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"kumoi/internal/kernel/errs"
)

// notes is a log and the figures of a gateway.
type notes struct {
	mu     sync.Mutex
	log    bytes.Buffer
	labels map[string]int
}

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.Write(b)
}

func (n *notes) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.log.String()
}

// mount serves a service whose routes are given, with a short stall.
func mount(t *testing.T, s *Service, change func(*Config)) (*httptest.Server, *notes) {
	t.Helper()
	n := &notes{labels: map[string]int{}}
	s.Name, s.Type, s.Prefix = "thing", "things", "/things"
	cfg := Config{
		Services: []*Service{s}, Log: slog.New(slog.NewTextHandler(n, nil)), Auth: tokens{"good": {UserID: "u", ProjectID: "p"}},
		Stall: 150 * time.Millisecond,
		Observe: func(service, method, path string, status int, _ time.Duration) {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.labels[fmt.Sprint(service, " ", method, " ", path, " ", status)]++
		},
	}
	if change != nil {
		change(&cfg)
	}
	g, err := NewGateway(cfg)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return server, n
}

// speak sends text over a connection of its own and reads one answer.
func speak(t *testing.T, s *httptest.Server, text string) (int, string) {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%.60q: no answer: %v", text, err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

func ok(_ context.Context, r *Request) (*Response, error) {
	b, err := r.Body()
	return Text(200, fmt.Sprint(len(b))), err
}

// What a client makes up stays out of the figures, and every request is logged.
func TestLabelsComeFromTheTable(t *testing.T) {
	t.Parallel()
	s, n := mount(t, &Service{Routes: []Route{
		{Method: "GET", Path: "/v1/{id}", Handler: ok},
		{Method: "GET", Path: "/", Public: true, Handler: ok},
		{Method: "GET", Path: "/v1/panic", Public: true, Handler: func(context.Context, *Request) (*Response, error) { panic("a bug") }},
	}}, func(c *Config) {
		c.Extra = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/panic" {
				panic("another bug")
			}
			http.NotFound(w, r)
		})
	})
	for i, tc := range []struct {
		line   string
		status int
	}{
		{"GET /things/made-up-%d?%%zz", 400},
		{"MADEUP%d /things/v1/a", 401},
		{"GET /things/v1/made-up-%d", 401},
		{"GET /made-up-%d", 404},
		{"GET /things/%%ff?%d", 400},
		{"GET /%%ff?%d", 400},
		{"GET /things/a%%00?%d", 400},
		{"GET /%%00?%d", 400},
		{"GET /things?%d", 200},
		{"GET /things/v1/panic?%d", 500},
		{"GET /panic?%d", 500},
		{"GET /things/?" + strings.Repeat("a&", 1000) + "%d", 400},
		{"MADEUP%d /panic", 500},
	} {
		status, body := speak(t, s, fmt.Sprintf(tc.line, i)+" HTTP/1.1\r\nHost: x\r\n\r\n")
		if status != tc.status || status == 400 && !strings.Contains(body, `{"error":`) {
			t.Errorf("%.40s: %d %s, want %d", tc.line, status, body, tc.status)
		}
	}
	s.Close() // all is told then
	for label := range n.labels {
		if strings.Contains(strings.ToLower(label), "made") {
			t.Errorf("a label that a client made: %s", label)
		}
	}
	if got := strings.Count(n.text(), "msg=request "); got != 13 {
		t.Errorf("%d requests in the log, want 13:\n%s", got, n.text())
	}
	if !strings.Contains(n.text(), "another bug") {
		t.Error("a panic is not in the log")
	}
}

// A panic of what only watches does not cost the client its answer.
func TestPanicWhileTelling(t *testing.T) {
	t.Parallel()
	s, n := mount(t, &Service{Routes: []Route{{Method: "GET", Path: "/", Public: true, Handler: ok}}}, func(c *Config) {
		c.Observe = func(string, string, string, int, time.Duration) { panic("bad label") }
	})
	if status, _ := speak(t, s, "GET /things/ HTTP/1.1\r\nHost: x\r\n\r\n"); status != 200 {
		t.Errorf("status %d", status)
	}
	s.Close()
	if !strings.Contains(n.text(), "bad label") {
		t.Error("the panic is not in the log")
	}
}

// A body that does not come is not waited for, whoever should have read it; one
// that comes slowly is.
func TestBodiesMustGetOn(t *testing.T) {
	t.Parallel()
	s, _ := mount(t, &Service{Routes: []Route{
		{Method: "POST", Path: "/json", Public: true, Handler: ok},
		{Method: "POST", Path: "/deaf", Public: true, Handler: func(context.Context, *Request) (*Response, error) { return NoContent(), nil }},
		{Method: "PUT", Path: "/upload", BodyLimit: -1, Handler: func(_ context.Context, r *Request) (*Response, error) {
			n, err := io.Copy(io.Discard, r.HTTP.Body)
			if err != nil {
				return nil, fmt.Errorf("upload: %w", err)
			}
			return Text(200, fmt.Sprint(n)), nil
		}},
	}}, nil)
	const head = " HTTP/1.1\r\nHost: x\r\nX-Auth-Token: good\r\n"
	for _, tc := range []struct {
		text   string
		status int
	}{
		{"POST /things/json" + head + "Content-Length: 100\r\n\r\n{", 400},
		{"POST /things/deaf" + head + "Content-Length: 100\r\n\r\n{", 204},
		{"POST /things/none" + head + "Content-Length: 100\r\n\r\n{", 404},
		{"POST /nothing" + head + "Content-Length: 100\r\n\r\n{", 404},
		{"PUT /things/upload" + head + "Transfer-Encoding: chunked\r\n\r\n5\r\nab", 400},
		{"PUT /things/none" + head + "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n", 404},
		{"POST /things/deaf" + head + "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n", 204},
	} {
		if status, body := speak(t, s, tc.text); status != tc.status {
			t.Errorf("%s: %d %s", tc.text, status, body)
		}
	}

	// Two pieces a stall, for four stalls.
	r, w := io.Pipe()
	go func() {
		tick := time.NewTicker(75 * time.Millisecond)
		defer tick.Stop()
		for range 8 {
			<-tick.C
			_, _ = w.Write(make([]byte, leastPiece))
		}
		w.Close()
	}()
	req, err := http.NewRequestWithContext(t.Context(), "PUT", s.URL+"/things/upload", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", "good")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(b) != fmt.Sprint(8*leastPiece) {
		t.Errorf("a slow upload: %d %s", resp.StatusCode, b)
	}
}

// An answer that nobody reads does not hold its connection.
func TestAnswersMustBeRead(t *testing.T) {
	t.Parallel()
	gaveUp := make(chan error, 1)
	s, _ := mount(t, &Service{Routes: []Route{{Method: "GET", Path: "/", Public: true, Handler: func(context.Context, *Request) (*Response, error) {
		return Stream(func(w http.ResponseWriter) error {
			piece := make([]byte, 1<<20)
			for {
				if _, err := w.Write(piece); err != nil {
					gaveUp <- err
					return err
				}
			}
		}), nil
	}}}}, func(c *Config) { c.Stall = 30 * time.Millisecond })
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /things/ HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case <-gaveUp:
	case <-time.After(20 * time.Second):
		t.Fatal("the server still waits for a reader")
	}
}

// Without a token less may be sent.
func TestPublicBodiesAreSmall(t *testing.T) {
	t.Parallel()
	s, _ := mount(t, &Service{Routes: []Route{{Method: "POST", Path: "/", Public: true, Handler: ok}}}, nil)
	for token, want := range map[string]int{"": 413, "bad": 413, "good": 200} {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL+"/things/", bytes.NewReader(make([]byte, PublicBodyLimit+1)))
		req.Header.Set("X-Auth-Token", token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("token %q: %d", token, resp.StatusCode)
		}
	}
}

func TestPathsAndVersions(t *testing.T) {
	t.Parallel()
	here := func(_ context.Context, r *Request) (*Response, error) {
		return Text(200, r.Route.Path+" "+r.Var("name")), nil
	}
	service := func(change func(*Service)) *Service {
		s := &Service{
			Routes: []Route{
				{Method: "GET", Path: "/v2", Public: true, Handler: here},
				{Method: "GET", Path: "/v2/a/{name...}", Public: true, Handler: here},
			},
			Versions:    map[string]string{"v2.1": "v2"},
			Unversioned: func(context.Context, *Request) (*Response, error) { return Text(300, "choose"), nil },
		}
		if change != nil {
			change(s)
		}
		return s
	}
	folded, _ := mount(t, service(nil), nil)
	raw, _ := mount(t, service(func(s *Service) { s.RawPath = true }), nil)
	open, _ := mount(t, service(func(s *Service) { s.OpenPaths, s.Unversioned = true, nil }), nil)
	for _, tc := range []struct {
		server *httptest.Server
		path   string
		status int
		want   string
	}{
		{folded, "//things///v2//a/x//y/", 200, "/v2/a/{name...} x/y"},
		{folded, "/things//", 401, ""},
		{folded, "/things/v2.1/a/x", 200, "x"},
		{folded, "/things/v2.1", 200, "/v2 "},
		{folded, "/things/v2.2/a/x", 300, "choose"},
		{folded, "/things/v9", 300, "choose"},
		{folded, "/things/v2/nothing", 401, ""},
		{raw, "/things/v2/a/x//y", 200, "x//y"},
		{raw, "/things/v2//a/x", 401, ""},
		{open, "/things/tokens", 404, ""},
		{open, "/things/v2", 200, ""},
	} {
		if status, body := speak(t, tc.server, "GET "+tc.path+" HTTP/1.1\r\nHost: x\r\n\r\n"); status != tc.status || !strings.Contains(body, tc.want) {
			t.Errorf("%s: %d %s, want %d", tc.path, status, body, tc.status)
		}
	}
}

// Lists are compressed for those who ask; secrets, streams and small answers never.
func TestCompression(t *testing.T) {
	t.Parallel()
	long := map[string]string{"text": strings.Repeat("long ", 1000)}
	answer := func(r *Response) Handler { return func(context.Context, *Request) (*Response, error) { return r, nil } }
	s, _ := mount(t, &Service{Headers: map[string]string{"Vary": "X-Auth-Token"}, Routes: []Route{
		{Method: "GET", Path: "/list", Public: true, Handler: answer(JSON(200, long))},
		{Method: "POST", Path: "/list", Public: true, Handler: answer(JSON(200, long))},
		{Method: "GET", Path: "/small", Public: true, Handler: answer(JSON(200, 1))},
		{Method: "GET", Path: "/secret", Public: true, SecretAnswer: true, Handler: answer(JSON(200, long))},
		{Method: "GET", Path: "/token", Public: true, Handler: answer(JSON(200, long).With("X-Subject-Token", "t"))},
		{Method: "GET", Path: "/text", Public: true, Handler: answer(Text(200, long["text"]))},
	}}, nil)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}} // of its own accord
	for _, tc := range []struct {
		method, path, accept string
		zipped               bool
	}{
		{"GET", "/list", "gzip, deflate", true},
		{"GET", "/list", "br;q=1, *;q=0.5", true},
		{"GET", "/list", "", false},
		{"GET", "/list", "gzip;q=0", false},
		{"GET", "/list", "*, gzip; q=0", false},
		{"GET", "/list", "identity", false},
		{"POST", "/list", "gzip", false},
		{"GET", "/small", "gzip", false},
		{"GET", "/secret", "gzip", false},
		{"GET", "/token", "gzip", false},
		{"GET", "/text", "gzip", false},
	} {
		req, _ := http.NewRequestWithContext(t.Context(), tc.method, s.URL+"/things"+tc.path, nil)
		req.Header.Set("Accept-Encoding", tc.accept)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if zipped := resp.Header.Get("Content-Encoding") == "gzip"; zipped != tc.zipped || int64(len(b)) != resp.ContentLength {
			t.Errorf("%s %s %q: compressed %v, %d bytes of %d", tc.method, tc.path, tc.accept, zipped, len(b), resp.ContentLength)
		}
		if vary := strings.Join(resp.Header.Values("Vary"), ","); strings.Contains(vary, "Accept-Encoding") != (tc.method == "GET" && tc.path == "/list") || !strings.Contains(vary, "X-Auth-Token") {
			t.Errorf("%s %s: Vary %s", tc.method, tc.path, vary)
		}
		if tc.zipped {
			z, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if plain, _ := io.ReadAll(z); !strings.Contains(string(plain), long["text"]) {
				t.Errorf("%s: unpacks to %.60s", tc.path, plain)
			}
		}
	}
}

// No error repeats a secret that was sent, whoever words it, nor pages of a body.
func TestErrorsAreDiscreet(t *testing.T) {
	t.Parallel()
	s, _ := mount(t, &Service{Routes: []Route{{Method: "POST", Path: "/", Public: true, Handler: func(_ context.Context, r *Request) (*Response, error) {
		b, err := r.Body()
		if err != nil {
			return nil, err
		}
		return nil, errs.Wrap(errs.Invalid, errors.New("x"), "I do not like %s", b)
	}}}}, nil)
	for _, body := range []string{
		`{"server":{"adminPass":"hush-hush"}}`, `{"totp":{"user":{"passcode":"hush-hush"}}}`, `{"token":{"id":"hush-hush"}}`,
		`{"server":{"user_data":"` + strings.Repeat("hush-hush", 50) + `"}}`, `{"a":{"password":"hush\"-hush"}}`,
		`{"a":{"b":"` + strings.Repeat("x", 5000) + `"}}`,
	} {
		status, answer := speak(t, s, fmt.Sprintf("POST /things/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		if status != 400 || strings.Contains(answer, "hush") || len(answer) > 2*longestMessage || !strings.Contains(answer, "I do not like") {
			t.Errorf("%.60s: %d %s", body, status, answer)
		}
	}
}
