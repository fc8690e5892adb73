package computetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/waittest"
)

// Object is a JSON object.
type Object = map[string]any

// Client speaks to the API over HTTP as one user in one microversion.
type Client struct {
	T       testing.TB
	URL     string
	Token   string
	Version string // microversion; of another service with its name: "volume 3.70"
}

// Client returns a client for a token such as "project" or "project:admin".
func (c *Cloud) Client(t testing.TB, token string) *Client {
	return &Client{T: t, URL: c.URL, Token: token, Version: "2.96"}
}

// As is the same client with another token.
func (c *Client) As(token string) *Client {
	d := *c
	d.Token = token
	return &d
}

// At is the same client in another microversion.
func (c *Client) At(version string) *Client {
	d := *c
	d.Version = version
	return &d
}

// Do sends a request and returns status, headers and decoded body.
func (c *Client) Do(method, path string, body any) (int, http.Header, Object) {
	c.T.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			c.T.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(c.T.Context(), method, c.URL+path, r)
	if err != nil {
		c.T.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", c.Token)
	switch {
	case strings.Contains(c.Version, " "):
		req.Header.Set("OpenStack-API-Version", c.Version)
	case c.Version != "":
		req.Header.Set("OpenStack-API-Version", "compute "+c.Version)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.T.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.T.Fatal(err)
	}
	out := Object{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			c.T.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, raw)
		}
	}
	return resp.StatusCode, resp.Header, out
}

// Must is Do that expects a status.
func (c *Client) Must(status int, method, path string, body any) Object {
	c.T.Helper()
	got, _, out := c.Do(method, path, body)
	if got != status {
		c.T.Fatalf("%s %s: %d %v, want %d", method, path, got, out, status)
	}
	return out
}

// Fails expects an error in Nova's envelope whose message holds text.
func (c *Client) Fails(status int, text, method, path string, body any) {
	c.T.Helper()
	got, _, out := c.Do(method, path, body)
	message := ""
	for _, v := range out {
		if e, ok := v.(Object); ok {
			message, _ = e["message"].(string)
		}
	}
	if got != status || !strings.Contains(message, text) {
		c.T.Errorf("%s %s: %d %v, want %d %q", method, path, got, out, status, text)
	}
}

// Action sends a server action.
func (c *Client) Action(status int, id, action string, args any) Object {
	c.T.Helper()
	return c.Must(status, "POST", "/v2.1/servers/"+id+"/action", Object{action: args})
}

// Wait waits until a server shows a status and has no task at work.
func (c *Client) Wait(id, status string) Object {
	c.T.Helper()
	return c.wait(id, status, func(s Object) bool { return s["status"] == status && s["OS-EXT-STS:task_state"] == nil })
}

// WaitTask waits until a server has a task at work.
func (c *Client) WaitTask(id, task string) Object {
	c.T.Helper()
	return c.wait(id, task, func(s Object) bool { return s["OS-EXT-STS:task_state"] == task })
}

func (c *Client) wait(id, want string, is func(s Object) bool) (s Object) {
	c.T.Helper()
	waittest.Until(c.T, 20*time.Second, func() error {
		if s = c.Must(200, "GET", "/v2.1/servers/"+id, nil)["server"].(Object); is(s) {
			return nil
		}
		return fmt.Errorf("server %s is %v (task %v, fault %v), not %s", id, s["status"], s["OS-EXT-STS:task_state"], s["fault"], want)
	})
	return s
}

// WaitGone waits until a server does not exist any more.
func (c *Client) WaitGone(id string) {
	c.T.Helper()
	waittest.Until(c.T, 20*time.Second, func() error {
		if status, _, out := c.Do("GET", "/v2.1/servers/"+id, nil); status != 404 {
			return fmt.Errorf("server %s is still there: %v", id, out)
		}
		return nil
	})
}

// Flavor makes a flavor of 1 vCPU and 64 MiB as administrator; changes override.
func (c *Client) Flavor(id string, changes Object) {
	c.T.Helper()
	f := Object{"id": id, "name": id, "ram": 64, "vcpus": 1, "disk": 1}
	for k, v := range changes {
		f[k] = v
	}
	c.As("ops:admin").Must(200, "POST", "/v2.1/flavors", Object{"flavor": f})
}

// Server asks for a server without ports and returns its id; changes override.
func (c *Client) Server(changes Object) string {
	c.T.Helper()
	s := Object{"name": "srv", "imageRef": Image, "flavorRef": "small", "networks": "none"}
	for k, v := range changes {
		s[k] = v
	}
	out := c.Must(202, "POST", "/v2.1/servers", Object{"server": s})
	return out["server"].(Object)["id"].(string)
}
