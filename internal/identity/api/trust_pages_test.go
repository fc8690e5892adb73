package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"kumoi/internal/identity/identitytest"
)

// Pages of trusts hold only those that are still good, and lose none.
func TestTrustPages(t *testing.T) {
	each(t, func(t *testing.T, c *identitytest.Cloud) {
		admin := c.Admin()
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		trustor := c.Persona(admin, "giver", "default", "member", "project", project)
		trustee := c.Create(admin, "/v3/users", "user", object{"name": "taker", "domain_id": "default"})
		soon := time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z")
		var want []string
		for i := range 9 {
			trust := object{
				"trustor_user_id": trustor.UserID, "trustee_user_id": trustee, "project_id": project, "impersonation": false,
				"roles": []object{{"name": "member"}},
			}
			if i%3 != 0 {
				trust["expires_at"] = soon
			}
			id := c.Create(trustor.Token, "/v3/OS-TRUST/trusts", "trust", trust)
			if i%3 == 0 {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		c.Clock.Advance(2 * time.Hour)
		admin = c.Admin(identitytest.System())
		for _, limit := range []int{1, 2, 3, 10} {
			var got []string
			next := fmt.Sprintf("/v3/OS-TRUST/trusts?limit=%d", limit)
			for next != "" && len(got) < 20 {
				a := c.Must(http.StatusOK, "GET", next, admin, nil)
				rows, _ := a.Get("trusts").([]any)
				if len(rows) > limit {
					t.Fatalf("%s: %d rows", next, len(rows))
				}
				for _, r := range rows {
					got = append(got, r.(object)["id"].(string))
				}
				if next = a.Text("links", "next"); next != "" {
					u, err := url.Parse(next)
					if err != nil {
						t.Fatal(err)
					}
					next = strings.TrimPrefix(u.Path, "/identity") + "?" + u.RawQuery
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("in pages of %d: %v, want %v", limit, got, want)
			}
		}
	})
}
