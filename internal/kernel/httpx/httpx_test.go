package httpx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/micro"
)

type tokens map[string]*actor.Actor

func (t tokens) Authenticate(_ context.Context, token, _ string) (*actor.Actor, error) {
	if a, ok := t[token]; ok {
		return a, nil
	}
	return nil, errs.New(errs.Unauthenticated, "bad token")
}

func gateway(t *testing.T) *httptest.Server {
	t.Helper()
	say := func(what string) Handler {
		return func(ctx context.Context, r *Request) (*Response, error) {
			return JSON(200, map[string]any{"route": what, "vars": r.Vars, "version": r.Version.String(), "project": actor.From(ctx).ProjectID}), nil
		}
	}
	fail := func(err error) Handler {
		return func(context.Context, *Request) (*Response, error) { return nil, err }
	}
	compute := &Service{
		Name: "nova", Type: "compute", Prefix: "/compute", ProjectAfter: "v2.1",
		Micro:            &micro.Range{Service: "compute", LegacyHeader: "X-OpenStack-Nova-API-Version", Min: micro.V(2, 1), Max: micro.V(2, 96)},
		RequestIDHeaders: []string{"X-Compute-Request-Id"},
		Status:           map[errs.Kind]int{errs.OverQuota: 413},
		Routes: []Route{
			{Method: "GET", Path: "/", Public: true, Handler: say("root")},
			{Method: "GET", Path: "/v2.1/servers", Handler: say("list")},
			{Method: "GET", Path: "/v2.1/servers/detail", Handler: say("detail")},
			{Method: "GET", Path: "/v2.1/servers/{server_id}", Handler: say("show")},
			{Method: "GET", Path: "/v2.1/servers/{server_id}/tags/{tag}", Min: micro.V(2, 26), Handler: say("tag")},
			{Method: "POST", Path: "/v2.1/servers/{server_id}/action", Action: "os-start", Handler: say("start")},
			{Method: "POST", Path: "/v2.1/servers/{server_id}/action", Action: "lock", Max: micro.V(2, 72), Handler: say("lock")},
			{Method: "POST", Path: "/v2.1/servers/{server_id}/action", Action: "lock", Min: micro.V(2, 73), Handler: say("lock 2.73")},
			{Method: "POST", Path: "/v2.1/small", BodyLimit: 8, Handler: func(_ context.Context, r *Request) (*Response, error) {
				var v any
				return NoContent(), r.Decode(&v)
			}},
			{Method: "GET", Path: "/v2.1/quota", Handler: fail(errs.New(errs.OverQuota, "full"))},
			{Method: "GET", Path: "/v2.1/bug", Handler: fail(errors.New("secret detail"))},
			{Method: "GET", Path: "/v2.1/panic", Handler: func(context.Context, *Request) (*Response, error) { panic("secret panic") }},
			{Method: "GET", Path: "/v2.1/files/{path...}", Handler: say("files")},
		},
	}
	g, err := NewGateway(Config{
		Services: []*Service{compute}, Log: slog.New(slog.DiscardHandler),
		Auth: tokens{"good": {UserID: "u", ProjectID: "0123456789abcdef0123456789abcdef"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	return s
}

func TestGateway(t *testing.T) {
	s := gateway(t)
	const project = "0123456789abcdef0123456789abcdef"
	tests := []struct {
		name, method, path, token, version, body string
		status                                   int
		want                                     string // in the body
	}{
		{"discovery needs no token", "GET", "/compute/", "", "", "", 200, `"root"`},
		{"no token", "GET", "/compute/v2.1/servers", "", "", "", 401, "authentication"},
		{"bad token", "GET", "/compute/v2.1/servers", "bad", "", "", 401, "bad token"},
		{"no token on an unknown path", "GET", "/compute/v2.1/nothing", "", "", "", 401, "authentication"},
		{"list", "GET", "/compute/v2.1/servers/", "good", "", "", 200, `"list"`},
		{"literal before placeholder", "GET", "/compute/v2.1/servers/detail", "good", "", "", 200, `"detail"`},
		{"escaped slash stays inside", "GET", "/compute/v2.1/servers/a%2Fb", "good", "", "", 200, `"server_id":"a/b"`},
		{"null byte", "GET", "/compute/v2.1/servers/a%00", "good", "", "", 400, "null byte"},
		{"unknown path", "GET", "/compute/v2.1/nothing", "good", "", "", 404, ""},
		{"wrong method", "PUT", "/compute/v2.1/servers", "good", "", "", 405, "allowed: GET"},
		{"HEAD goes to GET", "HEAD", "/compute/v2.1/servers", "good", "", "", 200, ""},
		{"own project in path", "GET", "/compute/v2.1/" + project + "/servers", "good", "", "", 200, `"list"`},
		{"other project in path", "GET", "/compute/v2.1/ffffffffffffffffffffffffffffffff/servers", "good", "", "", 400, "doesn't match"},
		{"before its version", "GET", "/compute/v2.1/servers/x/tags/t", "good", "2.25", "", 404, ""},
		{"from its version", "GET", "/compute/v2.1/servers/x/tags/t", "good", "2.26", "", 200, `"2.26"`},
		{"latest", "GET", "/compute/v2.1/servers", "good", "latest", "", 200, `"2.96"`},
		{"too new", "GET", "/compute/v2.1/servers", "good", "2.97", "", 406, "maximum is 2.96"},
		{"malformed version", "GET", "/compute/v2.1/servers", "good", "2.x", "", 400, "invalid format"},
		{"action", "POST", "/compute/v2.1/servers/x/action", "good", "", `{"os-start": null}`, 200, `"start"`},
		{"action by version", "POST", "/compute/v2.1/servers/x/action", "good", "2.80", `{"lock": {}}`, 200, `"lock 2.73"`},
		{"unknown action", "POST", "/compute/v2.1/servers/x/action", "good", "", `{"fly": null}`, 400, "no such action: fly"},
		{"two actions", "POST", "/compute/v2.1/servers/x/action", "good", "", `{"os-start": null, "lock": null}`, 400, "exactly one key"},
		{"action body not an object", "POST", "/compute/v2.1/servers/x/action", "good", "", `[]`, 400, "must be a JSON object"},
		{"body too large", "POST", "/compute/v2.1/small", "good", "", `{"a":"0123456789"}`, 413, "at most 8 bytes"},
		{"body not JSON", "POST", "/compute/v2.1/small", "good", "", `{`, 400, "not valid JSON"},
		{"body empty", "POST", "/compute/v2.1/small", "good", "", ``, 400, "empty"},
		{"service's own status", "GET", "/compute/v2.1/quota", "good", "", "", 413, "full"},
		{"bug tells nothing", "GET", "/compute/v2.1/bug", "good", "", "", 500, "unexpected error"},
		{"panic tells nothing", "GET", "/compute/v2.1/panic", "good", "", "", 500, "unexpected error"},
		{"rest of path", "GET", "/compute/v2.1/files/a/b/c", "good", "", "", 200, `"path":"a/b/c"`},
		{"bad query", "GET", "/compute/v2.1/servers?a=%zz", "good", "", "", 400, "query string"},
		{"unknown service", "GET", "/nothing/at/all", "good", "", "", 404, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tc.method, s.URL+tc.path, strings.NewReader(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if tc.token != "" {
				req.Header.Set("X-Auth-Token", tc.token)
			}
			if tc.version != "" {
				req.Header.Set("X-OpenStack-Nova-API-Version", tc.version)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tc.status || !strings.Contains(string(body), tc.want) {
				t.Errorf("got %d %s, want %d with %q", resp.StatusCode, body, tc.status, tc.want)
			}
			if strings.Contains(string(body), "secret") {
				t.Errorf("the answer leaks: %s", body)
			}
			if id := resp.Header.Get("X-Openstack-Request-Id"); !strings.HasPrefix(id, "req-") {
				t.Errorf("request id %q", id)
			}
			if tc.status == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Keystone uri=") {
				t.Errorf("WWW-Authenticate %q", resp.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

// A secret that stands in a path stays out of the log and the figures, whatever
// becomes of the request.
func TestSecretPathsAreNotLogged(t *testing.T) {
	var log, labels bytes.Buffer
	g, err := NewGateway(Config{
		Log: slog.New(slog.NewTextHandler(&log, nil)), Auth: tokens{"good": {UserID: "u"}},
		Observe: func(_, _, path string, _ int, _ time.Duration) { labels.WriteString(path + "\n") },
		Services: []*Service{{
			Name: "nova", Type: "compute", Prefix: "/compute",
			Micro: &micro.Range{Service: "compute", Min: micro.V(2, 1), Max: micro.V(2, 96)},
			Routes: []Route{{Method: "GET", Path: "/tokens/{token}", SecretPath: true, Handler: func(_ context.Context, r *Request) (*Response, error) {
				switch r.Var("token") {
				case "hush-panic":
					panic("a bug")
				case "hush-bug":
					return nil, errors.New("a bug")
				}
				return Text(200, r.Base()), nil
			}}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		method, path, token, version string
		status                       int
	}{
		{"GET", "/compute/tokens/hush", "good", "", 200},
		{"GET", "/compute/tokens/hush", "", "", 401},
		{"GET", "/compute/tokens/hush", "good", "2.999", 406},
		{"PUT", "/compute/tokens/hush", "good", "", 405},
		{"GET", "/compute/tokens/hush-bug", "good", "", 500},
		{"GET", "/compute/tokens/hush-panic", "good", "", 500},
	} {
		r := httptest.NewRequestWithContext(t.Context(), tc.method, tc.path, nil)
		r.Header.Set("X-Auth-Token", tc.token)
		if tc.version != "" {
			r.Header.Set("OpenStack-API-Version", "compute "+tc.version)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != tc.status || tc.status == 200 && w.Body.String() != "http://example.com" {
			t.Errorf("%s %s: %d %s, want %d", tc.method, tc.path, w.Code, w.Body, tc.status)
		}
	}
	if strings.Contains(log.String(), "hush") || strings.Contains(labels.String(), "hush") || !strings.Contains(log.String(), "/tokens/{token}") {
		t.Errorf("the log:\n%sthe figures:\n%s", &log, &labels)
	}
}

func TestDecodeDepth(t *testing.T) {
	var v any
	deep := strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1)
	if err := DecodeJSON([]byte(deep), &v); !errs.Is(err, errs.Invalid) {
		t.Errorf("deep body: %v", err)
	}
	quoted, _ := json.Marshal(strings.Repeat("[", 1000))
	if err := DecodeJSON(quoted, &v); err != nil {
		t.Errorf("brackets in a string: %v", err)
	}
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"server": {"name": "a", "n": [1, 2.5, null]}}`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		var v any
		_ = DecodeJSON(b, &v)
	})
}
