//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"kumoi/test/stockclient"
)

// client is the stock client with one user's credentials.
type client struct {
	t   *testing.T
	py  *stockclient.Process
	env map[string]string
}

// as returns a client with other credentials.
func (c *client) as(user, password, project string) *client {
	env := map[string]string{}
	for k, v := range c.env {
		env[k] = v
	}
	env["OS_USERNAME"], env["OS_PASSWORD"], env["OS_PROJECT_NAME"] = user, password, project
	return &client{c.t, c.py, env}
}

func (c *client) in(t *testing.T) *client { return &client{t, c.py, c.env} }

// try runs a command line (words split at blanks; {} takes the next of more as
// one word) and returns what came of it.
func (c *client) try(line string, more ...string) stockclient.Answer {
	c.t.Helper()
	var args []string
	for w := range strings.FieldsSeq(line) {
		if strings.Contains(w, "{}") && len(more) > 0 {
			w = strings.Replace(w, "{}", more[0], 1)
			more = more[1:]
		}
		args = append(args, w)
	}
	a, err := c.py.Run("openstack", append(args, more...), c.env)
	if err != nil {
		c.t.Fatalf("openstack %s: %v", line, err)
	}
	return a
}

// ok runs a command that must succeed and returns its output.
func (c *client) ok(line string, more ...string) string {
	c.t.Helper()
	a := c.try(line, more...)
	if a.Code != 0 {
		c.t.Fatalf("openstack %s %v: exit %d\n%s%s", line, more, a.Code, a.Out, a.Err)
	}
	return a.Out
}

// refused runs a command that must fail with a message that contains want.
func (c *client) refused(want, line string, more ...string) {
	c.t.Helper()
	a := c.try(line, more...)
	if a.Code == 0 || !strings.Contains(a.Out+a.Err, want) {
		c.t.Errorf("openstack %s %v: exit %d, want a refusal with %q\n%s%s", line, more, a.Code, want, a.Out, a.Err)
	}
}

// show runs a command with -f json that answers one object.
func (c *client) show(line string, more ...string) object {
	c.t.Helper()
	out := c.ok(line+" -f json", more...)
	var o object
	if err := json.Unmarshal([]byte(out), &o); err != nil {
		c.t.Fatalf("openstack %s: %v in %q", line, err, out)
	}
	return o
}

// list runs a command with -f json that answers rows.
func (c *client) list(line string, more ...string) []object {
	c.t.Helper()
	out := c.ok(line+" -f json", more...)
	var o []object
	if err := json.Unmarshal([]byte(out), &o); err != nil {
		c.t.Fatalf("openstack %s: %v in %q", line, err, out)
	}
	return o
}

// object is a row or a resource as the client prints it.
type object map[string]any

// str returns a field as text.
func (o object) str(name string) string {
	if v, ok := o[name]; ok {
		return fmt.Sprint(v)
	}
	return ""
}

// find returns the row whose field has the value.
func find(rows []object, field, value string) object {
	for _, r := range rows {
		if r.str(field) == value {
			return r
		}
	}
	return nil
}
