package api_test

import (
	"strings"
	"testing"
)

// An id that was once somebody's image never names another: whoever boots by
// it would run what a stranger put there.
func TestIDsAreNeverFreeAgain(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		id := c.create("alice", "visibility", "community")
		again := map[string]any{"name": "trap", "id": id, "disk_format": "raw", "container_format": "bare", "visibility": "community"}
		c.must(409, "bob", "POST", "/v2/images", again)
		c.must(204, "alice", "DELETE", "/v2/images/"+id, nil)
		for _, who := range []string{"bob", "alice", "admin"} {
			for _, same := range []string{id, strings.ToUpper(id)} {
				again["id"] = same
				c.must(409, who, "POST", "/v2/images", again)
			}
		}
		c.must(404, "alice", "GET", "/v2/images/"+id, nil)
	})
}
