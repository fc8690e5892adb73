package httpxtest

import "kumoi/internal/kernel/store/storetest"

// Failing is the client of a handler (Direct) whose database fails every request at
// its first statement, then at its second, and so on, until the request comes to its
// end undisturbed; that answer counts. Each before must have been a fault of the
// server, and must have left everything as it was: the test's own expectations show it.
func (c Client) Failing() Client {
	if c.direct == nil {
		c.t.Fatal("only requests that do not leave the process can be made to fail")
	}
	c.breaks = true
	return c
}

func (c Client) failing(method, path string, body any, headers []string) Answer {
	c.t.Helper()
	for n := int64(1); ; n++ {
		broken, ctx := storetest.FailAt(c.t.Context(), n)
		a := c.do(ctx, method, path, body, headers)
		query := broken()
		if query == "" {
			return a
		}
		if a.Status < 500 {
			c.t.Errorf("%s: %d although statement %d failed: %s", a.Request, a.Status, n, query)
			if a.Status < 400 {
				return a // it is done: once more would be twice
			}
		}
	}
}
