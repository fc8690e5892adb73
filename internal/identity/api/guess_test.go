package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// tries logs in from an address.
func tries(c *identitytest.Cloud, address string, auth string) int {
	r := httptest.NewRequest("POST", "http://cloud.test/identity/v3/auth/tokens", strings.NewReader(`{"auth":{"identity":`+auth+`}}`))
	r.RemoteAddr = address + ":1234"
	w := httptest.NewRecorder()
	c.Handler.ServeHTTP(w, r)
	return w.Code
}

func byPassword(user, password string) string {
	return fmt.Sprintf(`{"methods":["password"],"password":{"user":{"id":%q,"password":%q}}}`, user, password)
}

func byBoth(user, password, code string) string {
	return fmt.Sprintf(`{"methods":["totp","password"],"password":{"user":{"id":%q,"password":%q}},"totp":{"user":{"id":%q,"passcode":%q}}}`, user, password, user, code)
}

// Two servers of one database, and no lockout: guesses are bounded all the same.
func TestGuessesAreBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := identitytest.New(t, db)
		other := identitytest.New(t, db)
		admin := c.Admin()
		user := c.Create(admin, "/v3/users", "user", object{"name": "u", "password": "right"})
		servers := []*identitytest.Cloud{c, other}
		wait := func() {
			c.Clock.Advance(61 * time.Second)
			other.Clock.Advance(61 * time.Second)
		}
		if tries(c, "198.51.100.1", byPassword(user, "right")) != 201 {
			t.Fatal("the right password") // this server remembers it, and the address is known
		}
		for i := range 13 {
			tries(servers[i%2], "192.0.2.1", byPassword(user, "wrong"))
		}
		for i, s := range servers {
			if status := tries(s, "192.0.2.1", byPassword(user, "right")); status != 401 {
				t.Errorf("server %d compares the thirteenth guess: %d", i, status)
			}
			if status := tries(s, "198.51.100.1", byPassword(user, "right")); status != 201 {
				t.Errorf("server %d keeps the user out: %d", i, status)
			}
		}
		// Many addresses use up the whole: the user's own is not asked for it.
		for i := range 60 {
			tries(servers[i%2], fmt.Sprintf("192.0.2.%d", 10+i), byPassword(user, "wrong"))
		}
		if status := tries(c, "192.0.2.200", byPassword(user, "right")); status != 401 {
			t.Errorf("an address that is not known, after 60 guesses: %d", status)
		}
		if status := tries(c, "198.51.100.1", byPassword(user, "right")); status != 201 {
			t.Errorf("the user's own address, after 60 guesses: %d", status)
		}
		if a := c.Do("POST", "/v3/users/"+user+"/password", "", object{"user": object{"original_password": "right", "password": "x"}}); a.Status != 401 {
			t.Errorf("a password is changed beyond the bound: %d", a.Status)
		}
		wait()
		if status := tries(c, "192.0.2.1", byPassword(user, "right")); status != 201 {
			t.Errorf("after a minute: %d", status)
		}

		// One-time codes, beside the right password, many at once.
		c.Create(admin, "/v3/credentials", "credential", object{"type": "totp", "user_id": user, "blob": totpSeed})
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				if tries(servers[i%2], fmt.Sprintf("192.0.2.%d", i), byBoth(user, "right", fmt.Sprintf("%06d", i))) == 201 {
					t.Error("a code was guessed")
				}
			})
		}
		all.Wait()
		code, err := identity.TOTPCode(totpSeed, c.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		if status := tries(c, "198.51.100.1", byBoth(user, "right", code)); status != 401 {
			t.Errorf("the code after twenty guesses by somebody with the password: %d", status)
		}
		wait()
		// Whoever has no password cannot use them up: neither behind a wrong one nor alone.
		for i := range 20 {
			tries(c, "192.0.2.9", byBoth(user, "wrong", "000000"))
			tries(c, "192.0.2.9", fmt.Sprintf(`{"methods":["totp"],"totp":{"user":{"id":%q,"passcode":"%06d"}}}`, user, i))
		}
		if code, err = identity.TOTPCode(totpSeed, c.Clock.Now()); err != nil {
			t.Fatal(err)
		}
		if status := tries(c, "198.51.100.1", byBoth(user, "right", code)); status != http.StatusCreated {
			t.Errorf("the code after others guessed without the password: %d", status)
		}

		// An application credential's secret.
		made := c.Must(201, "POST", "/v3/users/"+user+"/application_credentials", func() string {
			project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
			c.Must(204, "PUT", "/v3/projects/"+project+"/users/"+user+"/roles/"+c.Role(admin, "member"), admin, nil)
			return c.Login(user, "right", identitytest.Project(project))
		}(), object{"application_credential": object{"name": "a", "secret": "short"}}).Text("application_credential", "id")
		by := func(secret string) string {
			return fmt.Sprintf(`{"methods":["application_credential"],"application_credential":{"id":%q,"secret":%q}}`, made, secret)
		}
		for range 11 {
			tries(c, "192.0.2.1", by("wrong"))
		}
		if status := tries(c, "192.0.2.1", by("short")); status != 401 {
			t.Errorf("the secret after eleven guesses: %d", status)
		}
	})
}
