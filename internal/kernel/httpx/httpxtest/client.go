// Package httpxtest is what tests of services speak HTTP with: one client, its
// answers, and the check that a table names every route.
//
//	c := httpxtest.New(t, server.URL+"/network").As("project")
//	id := c.Want(201, "POST", "/v2.0/networks", `{"network": {}}`).Text("network.id")
//	c.As("other").Want(404, "GET", "/v2.0/networks/"+id, nil)
package httpxtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// Object is a JSON object.
type Object = map[string]any

// Client speaks to one address as one persona. It is a value: As, At, With and
// On give another one and leave it as it is.
type Client struct {
	t      testing.TB
	url    string
	header http.Header
	direct http.Handler // set: requests do not leave the process
	breaks bool         // the database fails each request at one statement after the other (Failing)

	stranger string   // who sends each request first and is refused (Guarded)
	open     []string // requests that are for everybody
}

// New returns a client of an address that has no token.
func New(t testing.TB, url string) Client {
	return Client{t: t, url: url, header: http.Header{}}
}

// Direct returns a client of a handler; prefix goes before every path.
func Direct(t testing.TB, h http.Handler, prefix string) Client {
	c := New(t, "http://cloud.test"+prefix)
	c.direct = h
	return c
}

// As is the client with another token; "" sends none.
func (c Client) As(token string) Client { return c.With("X-Auth-Token", token) }

// At is the client in a microversion such as "compute 2.96"; "" sends none.
func (c Client) At(version string) Client { return c.With("OpenStack-API-Version", version) }

// With is the client with another header; "" sends none.
func (c Client) With(header, value string) Client {
	c.header = c.header.Clone()
	c.header.Set(header, value)
	if value == "" {
		c.header.Del(header)
	}
	return c
}

// On is the client that reports to another test.
func (c Client) On(t testing.TB) Client {
	c.t = t
	return c
}

// Token is what the client sends as its token.
func (c Client) Token() string { return c.header.Get("X-Auth-Token") }

// Do sends a request. The body may be nil, text, bytes, a reader, or anything
// that becomes JSON; headers come in pairs.
func (c Client) Do(method, path string, body any, headers ...string) Answer {
	c.t.Helper()
	check := c.intruded(method, path, body, headers)
	a := c.undisturbed(method, path, body, headers)
	check(a)
	return a
}

// undisturbed is what the client gets in the end, if its database fails before.
func (c Client) undisturbed(method, path string, body any, headers []string) Answer {
	c.t.Helper()
	if _, once := body.(io.Reader); c.breaks && !once {
		return c.failing(method, path, body, headers)
	}
	return c.do(c.t.Context(), method, path, body, headers)
}

func (c Client) do(ctx context.Context, method, path string, body any, headers []string) Answer {
	c.t.Helper()
	var r io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
		kind = ""
	case string:
		r = strings.NewReader(b)
	case []byte:
		r, kind = bytes.NewReader(b), "application/octet-stream"
	case io.Reader:
		r, kind = b, "application/octet-stream"
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, r)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header = c.header.Clone()
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	a := c.send(req)
	a.t, a.Request = c.t, method+" "+path
	_ = json.Unmarshal(a.Raw, &a.Body) // an answer without JSON has no Body
	return a
}

// Want is Do that ends the test unless the answer has the status.
func (c Client) Want(status int, method, path string, body any, headers ...string) Answer {
	c.t.Helper()
	a := c.Do(method, path, body, headers...)
	if a.Status != status {
		c.t.Fatalf("%s: %d, want %d: %s", a.Request, a.Status, status, a.Raw)
	}
	return a
}

// Answer is what a request got, read to its end.
type Answer struct {
	t       testing.TB
	Request string // "GET /v3/users"
	Status  int
	Header  http.Header
	Raw     []byte
	Body    any
}

// Get finds a value in the body by its path: "servers.0.id".
func (a Answer) Get(path string) any {
	v := a.Body
	for path != "" {
		// A key may hold dots itself: the longest that is there wins.
		if m, ok := v.(Object); ok {
			key := path
			for {
				if _, ok := m[key]; ok {
					break
				}
				i := strings.LastIndexByte(key, '.')
				if i < 0 {
					return nil
				}
				key = key[:i]
			}
			v, path = m[key], strings.TrimPrefix(path[len(key):], ".")
			continue
		}
		list, ok := v.([]any)
		key, rest, _ := strings.Cut(path, ".")
		i, err := strconv.Atoi(key)
		if !ok || err != nil || i < 0 || i >= len(list) {
			return nil
		}
		v, path = list[i], rest
	}
	return v
}

// Object is the body, which must be an object.
func (a Answer) Object() Object {
	a.t.Helper()
	o, ok := a.Body.(Object)
	if !ok {
		a.t.Fatalf("%s: %d, and no object: %s", a.Request, a.Status, a.Raw)
	}
	return o
}

// Text is Get for a string; "" if it is none.
func (a Answer) Text(path string) string {
	s, _ := a.Get(path).(string)
	return s
}

// Same compares a value of the body with what JSON text says.
func (a Answer) Same(path, want string) {
	a.t.Helper()
	var w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		a.t.Fatal(err)
	}
	if got := a.Get(path); !reflect.DeepEqual(got, w) {
		text, _ := json.Marshal(got)
		a.t.Errorf("%s: %s is %s, want %s", a.Request, path, text, want)
	}
}

// IDs are the ids of a list in the body, in its order.
func (a Answer) IDs(list string) []string {
	rows, _ := a.Get(list).([]any)
	out := make([]string, 0, len(rows))
	for _, row := range rows {
		m, _ := row.(Object)
		id, _ := m["id"].(string)
		out = append(out, id)
	}
	return out
}
