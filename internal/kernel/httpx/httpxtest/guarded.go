package httpxtest

import (
	"io"
	"slices"
	"strings"
)

// Guarded is the client whose every request somebody else sends first, who may do
// nothing: what is then done for the client must have been refused to him. Requests
// that open names are for everybody: a method and the beginning of a path, "GET /types".
func (c Client) Guarded(token string, open ...string) Client {
	c.stranger, c.open = token, open
	return c
}

// intruded sends a request as the one who may do nothing; the check wants to know what
// the client himself gets.
func (c Client) intruded(method, path string, body any, headers []string) (check func(Answer)) {
	c.t.Helper()
	request := method + " " + path
	everybody := slices.ContainsFunc(c.open, func(begin string) bool { return strings.HasPrefix(request, begin) })
	if _, once := body.(io.Reader); once || everybody || c.stranger == "" || c.Token() == c.stranger {
		return func(Answer) {}
	}
	refused := c.As(c.stranger).do(c.t.Context(), method, path, body, headers)
	return func(a Answer) {
		c.t.Helper()
		if refused.Status < 300 || a.Status < 300 && refused.Status != 403 && refused.Status != 404 {
			c.t.Errorf("%s: somebody who may do nothing gets %d: %s", request, refused.Status, refused.Raw)
		}
	}
}
