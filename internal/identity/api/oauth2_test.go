package api_test

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// TestOAuth2ClientCredentials gets a token with a client library, and tries what must not work.
func TestOAuth2ClientCredentials(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := identitytest.New(t, db)
		admin := c.Admin()
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		who := c.Persona(admin, "program", "default", "member", "project", project)
		const secret = "a secret with + and %41 & more"
		id := c.Create(who.Token, "/v3/users/"+who.UserID+"/application_credentials", "application_credential", object{"name": "a", "secret": secret})
		server := httptest.NewServer(c.Handler)
		defer server.Close()
		conf := clientcredentials.Config{ClientID: id, ClientSecret: secret, TokenURL: server.URL + "/identity/v3/OS-OAUTH2/token", AuthStyle: oauth2.AuthStyleInHeader}
		token, err := conf.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a := c.Must(200, "GET", "/v3/auth/tokens", token.AccessToken, nil, "X-Subject-Token", token.AccessToken)
		if token.TokenType != "Bearer" || a.Text("token", "project", "id") != project || a.Text("token", "application_credential", "id") != id {
			t.Errorf("%s: %s", token.TokenType, a.Raw)
		}
		ask := func(body, user, password string) identitytest.Answer {
			r := httptest.NewRequest("POST", "/", nil)
			r.SetBasicAuth(user, password)
			return c.Do("POST", "/v3/OS-OAUTH2/token", "", body, "Authorization", r.Header.Get("Authorization"), "Content-Type", "application/x-www-form-urlencoded")
		}
		const grant = "grant_type=client_credentials"
		if a := ask(grant, id, secret); a.Status != 200 || a.Body["expires_in"].(float64) != 3600 || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("as Keystone's clients ask: %d %s", a.Status, a.Raw)
		}
		if a := ask(grant, url.QueryEscape(id), url.QueryEscape(secret)); a.Status != 200 {
			t.Errorf("escaped: %d %s", a.Status, a.Raw)
		}
		for name, tc := range map[string]struct {
			a      identitytest.Answer
			status int
			code   string
		}{
			"no grant":       {ask("", id, secret), 400, "invalid_request"},
			"malformed":      {ask("%zz", id, secret), 400, "invalid_request"},
			"another grant":  {ask("grant_type=password", id, secret), 400, "unsupported_grant_type"},
			"wrong secret":   {ask(grant, id, "x"), 401, "invalid_client"},
			"empty secret":   {ask(grant, id, ""), 401, "invalid_client"},
			"unknown":        {ask(grant, "nobody", secret), 401, "invalid_client"},
			"a user":         {ask(grant, who.UserID, "pw-program"), 401, "invalid_client"},
			"no credentials": {c.Do("POST", "/v3/OS-OAUTH2/token", "", grant), 401, "invalid_client"},
			"in the form":    {c.Do("POST", "/v3/OS-OAUTH2/token", "", grant+"&client_id="+id+"&client_secret=x"), 401, "invalid_client"},
			"a bearer":       {c.Do("POST", "/v3/OS-OAUTH2/token", "", grant, "Authorization", "Bearer "+token.AccessToken), 401, "invalid_client"},
		} {
			if tc.a.Status != tc.status || tc.a.Text("error") != tc.code {
				t.Errorf("%s: %d %s", name, tc.a.Status, tc.a.Raw)
			}
			if tc.status == 401 && tc.a.Header.Get("Www-Authenticate") == "" {
				t.Errorf("%s: no WWW-Authenticate", name)
			}
		}
		c.Must(204, "DELETE", "/v3/users/"+who.UserID+"/application_credentials/"+id, who.Token, nil)
		if a := ask(grant, id, secret); a.Status != 401 {
			t.Errorf("a deleted one: %d", a.Status)
		}
		c.Must(401, "GET", "/v3/auth/projects", token.AccessToken, nil)
	})
}
