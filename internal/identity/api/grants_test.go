package api_test

import (
	"testing"

	"kumoi/internal/identity/identitytest"
)

// A domain's role is granted on that domain's projects, and on any domain.
func TestDomainRoles(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		one := c.Create(admin, "/v3/domains", "domain", object{"name": "one"})
		two := c.Create(admin, "/v3/domains", "domain", object{"name": "two"})
		role := c.Create(admin, "/v3/roles", "role", object{"name": "r", "domain_id": one})
		user := c.Create(admin, "/v3/users", "user", object{"name": "u", "domain_id": one})
		inside := c.Create(admin, "/v3/projects", "project", object{"name": "p", "domain_id": one})
		outside := c.Create(admin, "/v3/projects", "project", object{"name": "p", "domain_id": two})
		for target, status := range map[string]int{
			"projects/" + inside: 204, "projects/" + outside: 403, "domains/" + one: 204, "domains/" + two: 204, "system": 400,
		} {
			if a := c.Do("PUT", "/v3/"+target+"/users/"+user+"/roles/"+role, admin, nil); a.Status != status {
				t.Errorf("on %s: %d, want %d: %.200s", target, a.Status, status, a.Raw)
			}
		}
	})
}

// Tags are unique: adding one again is refused, as Keystone does.
func TestTagsAreUnique(t *testing.T) {
	each(t, func(_ *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		c.Must(201, "PUT", "/v3/projects/"+project+"/tags/a", admin, nil)
		c.Must(400, "PUT", "/v3/projects/"+project+"/tags/a", admin, nil)
		c.Must(201, "PUT", "/v3/projects/"+project+"/tags/b", admin, nil)
	})
}
