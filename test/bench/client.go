package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Client speaks to a cloud with as little work of its own as possible, so that
// what is measured is the cloud.
type Client struct {
	URL   string // the cloud's root, "http://127.0.0.1:5000"
	Token string
	http  *http.Client
}

// NewClient returns a client that keeps its connections.
func NewClient(url string) *Client {
	return &Client{URL: strings.TrimSuffix(url, "/"), http: &http.Client{
		Timeout: 5 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}}
}

// Do sends a request, reads the whole answer and decodes it into out unless
// that is nil. Any status of 400 or more is an error.
func (c *Client) Do(ctx context.Context, method, path string, in, out any, headers ...string) (http.Header, error) {
	var body io.Reader
	kind := "application/json"
	switch v := in.(type) {
	case nil:
	case []byte:
		body, kind = bytes.NewReader(v), "application/octet-stream"
	default:
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", kind)
	}
	if c.Token != "" {
		req.Header.Set("X-Auth-Token", c.Token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return nil, fmt.Errorf("%s %s: %s %s", method, path, resp.Status, text)
	}
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.Header, err
	}
	return resp.Header, json.NewDecoder(resp.Body).Decode(out)
}

// loginBody asks for a token of a user of the default domain, for a project or for nothing.
func loginBody(user, password, project string) map[string]any {
	domain := map[string]any{"id": "default"}
	auth := map[string]any{"identity": map[string]any{
		"methods":  []string{"password"},
		"password": map[string]any{"user": map[string]any{"name": user, "domain": domain, "password": password}},
	}}
	if project != "" {
		auth["scope"] = map[string]any{"project": map[string]any{"name": project, "domain": domain}}
	}
	return map[string]any{"auth": auth}
}

// Login logs a user of the default domain in and returns the token; without a
// project it is good for nothing but to ask who one is.
func (c *Client) Login(ctx context.Context, user, password, project string) (string, error) {
	h, err := c.Do(ctx, "POST", "/identity/v3/auth/tokens", loginBody(user, password, project), nil)
	if err != nil {
		return "", err
	}
	return h.Get("X-Subject-Token"), nil
}

// LoginWire prepares Login, to be done many times.
func (c *Client) LoginWire(user, password, project string) (*Wire, error) {
	body, err := json.Marshal(loginBody(user, password, project))
	anonymous := *c
	anonymous.Token = ""
	return anonymous.NewWire(http.StatusCreated, "POST", "/identity/v3/auth/tokens", body), err
}

// ValidateWire prepares Validate, to be done many times.
func (c *Client) ValidateWire(token string) *Wire {
	return c.NewWire(http.StatusOK, "GET", "/identity/v3/auth/tokens", nil, "X-Subject-Token", token)
}

// As returns the client with a user's token.
func (c *Client) As(ctx context.Context, user, password, project string) (*Client, error) {
	token, err := c.Login(ctx, user, password, project)
	if err != nil {
		return nil, err
	}
	d := *c
	d.Token = token
	return &d, nil
}

// Validate asks whether a token is valid, as services do.
func (c *Client) Validate(ctx context.Context, token string) error {
	_, err := c.Do(ctx, "GET", "/identity/v3/auth/tokens", nil, nil, "X-Subject-Token", token)
	return err
}

// made reads the id of what was created from under a key.
func (c *Client) make(ctx context.Context, path, key string, in map[string]any) (string, error) {
	var out map[string]struct{ ID string }
	if _, err := c.Do(ctx, "POST", path, map[string]any{key: in}, &out); err != nil {
		return "", err
	}
	return out[key].ID, nil
}

// Need is what servers are made of.
type Need struct{ Project, Image, Flavor, Network string }

// Prepare makes an image, a flavor and a network, and lifts the quotas of the
// client's project and the size of its host out of the way.
func (c *Client) Prepare(ctx context.Context, data []byte, format string, ramMiB, diskGiB int) (Need, error) {
	var n Need
	var err error
	var me struct {
		Token struct{ Project struct{ ID string } }
	}
	if _, err = c.Do(ctx, "GET", "/identity/v3/auth/tokens", nil, &me, "X-Subject-Token", c.Token); err != nil {
		return n, err
	}
	n.Project = me.Token.Project.ID
	var image struct{ ID string }
	if _, err = c.Do(ctx, "POST", "/image/v2/images", map[string]any{
		"name": "bench", "disk_format": format, "container_format": "bare", "visibility": "public",
	}, &image); err != nil {
		return n, err
	}
	n.Image = image.ID
	if _, err = c.Do(ctx, "PUT", "/image/v2/images/"+n.Image+"/file", data, nil); err != nil {
		return n, err
	}
	if n.Flavor, err = c.make(ctx, "/compute/v2.1/flavors", "flavor", map[string]any{
		"name": "bench", "vcpus": 1, "ram": ramMiB, "disk": diskGiB,
	}); err != nil {
		return n, err
	}
	if n.Network, err = c.make(ctx, "/network/v2.0/networks", "network", map[string]any{"name": "bench"}); err != nil {
		return n, err
	}
	if _, err = c.make(ctx, "/network/v2.0/subnets", "subnet", map[string]any{
		"network_id": n.Network, "ip_version": 4, "cidr": "10.77.0.0/16",
	}); err != nil {
		return n, err
	}
	if _, err = c.Do(ctx, "PUT", "/compute/v2.1/os-quota-sets/"+n.Project, map[string]any{"quota_set": map[string]any{
		"instances": -1, "cores": -1, "ram": -1,
	}}, nil); err != nil {
		return n, err
	}
	_, err = c.Do(ctx, "PUT", "/network/v2.0/quotas/"+n.Project, map[string]any{"quota": map[string]any{"port": -1}}, nil)
	return n, err
}

// Widen makes the only host large enough for any number of pretended servers.
func (c *Client) Widen(ctx context.Context) error {
	version := []string{"OpenStack-API-Version", "placement 1.39"}
	var list struct {
		Providers []struct{ UUID string } `json:"resource_providers"`
	}
	if _, err := c.Do(ctx, "GET", "/placement/resource_providers", nil, &list, version...); err != nil {
		return err
	}
	for _, p := range list.Providers {
		path := "/placement/resource_providers/" + p.UUID + "/inventories"
		var have struct {
			Inventories map[string]map[string]any `json:"inventories"`
			Generation  int64                     `json:"resource_provider_generation"`
		}
		if _, err := c.Do(ctx, "GET", path, nil, &have, version...); err != nil {
			return err
		}
		for _, i := range have.Inventories {
			i["total"], i["max_unit"] = 100_000_000, 100_000_000
		}
		if _, err := c.Do(ctx, "PUT", path, have, nil, version...); err != nil {
			return err
		}
	}
	return nil
}

// CreateServers asks for count servers at once and returns the first one's id.
func (c *Client) CreateServers(ctx context.Context, name string, n Need, count int, more map[string]any) (string, error) {
	body := map[string]any{
		"name": name, "imageRef": n.Image, "flavorRef": n.Flavor, "networks": []any{map[string]any{"uuid": n.Network}},
		"min_count": count, "max_count": count,
	}
	for k, v := range more {
		body[k] = v
	}
	return c.make(ctx, "/compute/v2.1/servers", "server", body)
}

// Server is what is asked about a server.
type Server struct {
	ID, Name, Status string
	Fault            struct{ Message string }
}

// Await polls a server until it has a status.
func (c *Client) Await(ctx context.Context, id, status string, every time.Duration) error {
	for {
		var out struct{ Server Server }
		_, err := c.Do(ctx, "GET", "/compute/v2.1/servers/"+id, nil, &out)
		switch {
		case err != nil:
			if status == "" && strings.Contains(err.Error(), ": 404") {
				return nil // gone, as awaited
			}
			return err
		case out.Server.Status == status:
			return nil
		case out.Server.Status == "ERROR":
			return fmt.Errorf("server %s: %s", id, out.Server.Fault.Message)
		}
		if err := pause(ctx, every); err != nil {
			return err
		}
	}
}

// AwaitAll polls until a number of servers run.
func (c *Client) AwaitAll(ctx context.Context, count int) error {
	for {
		var out struct{ Servers []Server }
		if _, err := c.Do(ctx, "GET", "/compute/v2.1/servers?limit=1000&status=ACTIVE", nil, &out); err != nil {
			return err
		}
		if len(out.Servers) >= count {
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Fill makes a number of servers, a hundred by each request.
func Fill(ctx context.Context, c *Client, n Need, count int) error {
	for made := 0; made < count; made += 100 {
		if _, err := c.CreateServers(ctx, fmt.Sprint("fill", made), n, min(100, count-made), nil); err != nil {
			return err
		}
	}
	return c.AwaitAll(ctx, count)
}
