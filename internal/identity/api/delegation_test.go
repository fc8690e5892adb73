package api_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/oauth1"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
)

const totpSeed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

// signedEC2 exchanges a signature of version 2 for a token.
func signedEC2(c *identitytest.Cloud, token, access, secret, date string) identitytest.Answer {
	params := object{"AWSAccessKeyId": access, "SignatureMethod": "HmacSHA256", "SignatureVersion": "2", "Timestamp": date}
	query := url.Values{}
	for k, v := range params {
		query.Set(k, v.(string))
	}
	text := "GET\nec2.test\n/\n" + strings.ReplaceAll(query.Encode(), "+", "%20")
	return c.Do("POST", "/v3/ec2tokens", token, object{"credentials": object{
		"access": access, "host": "ec2.test", "verb": "GET", "path": "/", "params": params, "signature": b64(mac([]byte(secret), text)),
	}})
}

// oauth1Token logs in by OAuth1, as gophercloud does it.
func oauth1Token(c *identitytest.Cloud, base, admin, userToken, project string) string {
	c.T.Helper()
	made := c.Must(201, "POST", "/v3/OS-OAUTH1/consumers", admin, object{"consumer": object{"description": "x"}})
	id, secret := made.Text("consumer", "id"), made.Text("consumer", "secret")
	client := &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: userToken}, Endpoint: base + "/identity/v3/", Type: "identity",
	}
	request, err := oauth1.RequestToken(c.T.Context(), client, oauth1.RequestTokenOpts{
		OAuthConsumerKey: id, OAuthConsumerSecret: secret, OAuthSignatureMethod: oauth1.HMACSHA1, RequestedProjectID: project,
	}).Extract()
	if err != nil {
		c.T.Fatal(err)
	}
	verifier := c.Must(200, "PUT", "/v3/OS-OAUTH1/authorize/"+request.OAuthToken, userToken, object{"roles": []object{{"name": "member"}}}).Text("token", "oauth_verifier")
	access, err := oauth1.CreateAccessToken(c.T.Context(), client, oauth1.CreateAccessTokenOpts{
		OAuthConsumerKey: id, OAuthConsumerSecret: secret, OAuthSignatureMethod: oauth1.HMACSHA1,
		OAuthToken: request.OAuthToken, OAuthTokenSecret: request.OAuthTokenSecret, OAuthVerifier: verifier,
	}).Extract()
	if err != nil {
		c.T.Fatal(err)
	}
	token, err := oauth1.Create(c.T.Context(), client, oauth1.AuthOptions{
		OAuthConsumerKey: id, OAuthConsumerSecret: secret, OAuthSignatureMethod: oauth1.HMACSHA1,
		OAuthToken: access.OAuthToken, OAuthTokenSecret: access.OAuthTokenSecret,
	}).ExtractTokenID()
	if err != nil {
		c.T.Fatal(err)
	}
	return token
}

// A delegated token of any kind touches nothing that proves the person, but for
// what its own delegation made.
func TestDelegatedTokensAreNotTheirOwner(t *testing.T) { each(t, delegatedTokensAreNotTheirOwner) }

func delegatedTokensAreNotTheirOwner(t *testing.T, c *identitytest.Cloud) {
	srv := httptest.NewServer(c.Handler)
	defer srv.Close()
	admin := c.Admin()
	home := c.Create(admin, "/v3/projects", "project", object{"name": "home"})
	away := c.Create(admin, "/v3/projects", "project", object{"name": "away"})
	// Even an administrator's delegations are not the administrator.
	ann := c.Persona(admin, "ann", "default", "admin", "project", home)
	bob := c.Persona(admin, "bob", "default", "member", "project", home)
	c.Must(204, "PUT", "/v3/projects/"+away+"/users/"+ann.UserID+"/roles/"+c.Role(admin, "admin"), admin, nil)

	seed := c.Create(ann.Token, "/v3/credentials", "credential", object{"type": "totp", "blob": totpSeed, "project_id": home})
	pair := c.Must(201, "POST", "/v3/users/"+ann.UserID+"/credentials/OS-EC2", ann.Token, object{"tenant_id": home})
	access, secret := pair.Text("credential", "access"), pair.Text("credential", "secret")
	_, restricted := appCredToken(c, ann.UserID, ann.Token, object{"name": "restricted"})
	_, unrestricted := appCredToken(c, ann.UserID, ann.Token, object{"name": "unrestricted", "unrestricted": true})
	other := c.Create(ann.Token, "/v3/users/"+ann.UserID+"/application_credentials", "application_credential", object{
		"name": "other", "access_rules": []object{{"service": "compute", "method": "GET", "path": "/x"}},
	})
	rule := c.Must(200, "GET", "/v3/users/"+ann.UserID+"/access_rules", ann.Token, nil).Body["access_rules"].([]any)[0].(object)["id"].(string)
	trusts := map[string]string{}
	for _, name := range []string{"used", "unrelated"} {
		trusts[name] = c.Create(ann.Token, "/v3/OS-TRUST/trusts", "trust", object{
			"trustor_user_id": ann.UserID, "trustee_user_id": bob.UserID, "impersonation": true, "project_id": home, "roles": []object{{"name": "admin"}},
		})
	}
	trusted := c.Login(bob.UserID, "pw-bob", object{"OS-TRUST:trust": object{"id": trusts["used"]}})
	delegated := map[string]string{
		"restricted": restricted, "unrestricted": unrestricted, "trust": trusted,
		"oauth1": oauth1Token(c, srv.URL, admin, ann.Token, home),
		"ec2":    signedEC2(c, admin, access, secret, c.Clock.Now().UTC().Format("2006-01-02T15:04:05Z")).Header.Get("X-Subject-Token"),
	}
	user := "/v3/users/" + ann.UserID
	owned := c.Must(200, "GET", user+"/OS-OAUTH1/access_tokens", ann.Token, nil)
	listed, _ := owned.Get("access_tokens").([]any)
	if len(listed) != 1 {
		t.Fatalf("%s, want the one", owned.Raw)
	}
	for _, row := range listed {
		one, _ := row.(object)
		id, _ := one["id"].(string)
		shown := c.Must(200, "GET", user+"/OS-OAUTH1/access_tokens/"+id, ann.Token, nil)
		if shown.Text("access_token", "id") != id || shown.Text("access_token", "authorizing_user_id") != ann.UserID || shown.Text("access_token", "expires_at") != one["expires_at"] {
			t.Errorf("%s, listed as %v", shown.Raw, one)
		}
	}
	for kind, token := range delegated {
		if token == "" {
			t.Fatalf("no token of %s", kind)
		}
		for _, tc := range []struct {
			method, path string
			body         any
		}{
			{"POST", "/v3/credentials", object{"credential": object{"type": "totp", "blob": totpSeed}}},
			{"POST", "/v3/credentials", object{"credential": object{"type": "totp", "blob": totpSeed, "project_id": home}}},
			{"POST", "/v3/credentials", object{"credential": object{"type": "totp", "blob": totpSeed, "user_id": bob.UserID}}},
			{"POST", "/v3/credentials", object{"credential": object{"type": "cert", "blob": "x", "project_id": home}}},
			{"POST", "/v3/credentials", object{"credential": object{"type": "ec2", "blob": `{"access":"a","secret":"s"}`, "project_id": away}}},
			{"GET", "/v3/credentials/" + seed, nil},
			{"PATCH", "/v3/credentials/" + seed, object{"credential": object{"blob": totpSeed}}},
			{"DELETE", "/v3/credentials/" + seed, nil},
			{"GET", "/v3/credentials/" + identity.EC2ID(access), nil},
			{"PATCH", "/v3/credentials/" + identity.EC2ID(access), object{"credential": object{"blob": `{"access":"` + access + `","secret":"s"}`}}},
			{"DELETE", "/v3/credentials/" + identity.EC2ID(access), nil},
			{"GET", user + "/credentials/OS-EC2/" + access, nil},
			{"DELETE", user + "/credentials/OS-EC2/" + access, nil},
			{"POST", user + "/credentials/OS-EC2", object{"tenant_id": away}},
			{"PATCH", user, object{"user": object{"password": "mine now"}}},
			{"PATCH", user, object{"user": object{"options": object{"multi_factor_auth_enabled": false}}}},
			{"DELETE", user, nil},
			{"GET", "/v3/OS-TRUST/trusts/" + trusts["unrelated"], nil},
			{"DELETE", "/v3/OS-TRUST/trusts/" + trusts["unrelated"], nil},
			{"POST", "/v3/OS-TRUST/trusts", object{"trust": object{
				"trustor_user_id": ann.UserID, "trustee_user_id": bob.UserID, "impersonation": true, "project_id": home, "roles": []object{{"name": "admin"}},
			}}},
			{"PUT", "/v3/OS-OAUTH1/authorize/" + strings.Repeat("0", 32), object{"roles": []object{{"name": "member"}}}},
			{"GET", user + "/OS-OAUTH1/access_tokens", nil},
			{"POST", "/v3/auth/tokens", object{"auth": object{"identity": object{"methods": []string{"token"}, "token": object{"id": token}}, "scope": identitytest.Project(home)}}},
			{"POST", "/v3/auth/tokens", object{"auth": object{"identity": object{"methods": []string{"token"}, "token": object{"id": token}}}}},
			{"POST", "/v3/auth/tokens", object{"auth": object{"identity": object{"methods": []string{"mapped"}, "mapped": object{"id": token}}, "scope": identitytest.Project(away)}}},
		} {
			if a := c.Do(tc.method, tc.path, token, tc.body); a.Status != 403 {
				t.Errorf("%s: %s %s %v: %d %.200s", kind, tc.method, tc.path, tc.body, a.Status, a.Raw)
			}
		}
		// An unrestricted application credential may manage its like, as in Keystone.
		if kind != "unrestricted" {
			for _, tc := range []struct{ method, path string }{
				{"POST", user + "/application_credentials"},
				{"GET", user + "/application_credentials/" + other},
				{"DELETE", user + "/application_credentials/" + other},
				{"GET", user + "/access_rules"},
				{"DELETE", user + "/access_rules/" + rule},
			} {
				if a := c.Do(tc.method, tc.path, token, object{"application_credential": object{"name": "more " + kind}}); a.Status != 403 {
					t.Errorf("%s: %s %s: %d %.200s", kind, tc.method, tc.path, a.Status, a.Raw)
				}
			}
		}
		for _, path := range []string{"/v3/credentials", "/v3/credentials?user_id=" + ann.UserID, user + "/credentials/OS-EC2"} {
			if list, _ := c.Must(200, "GET", path, token, nil).Body["credentials"].([]any); len(list) != 0 {
				t.Errorf("%s: %s shows %d secrets", kind, path, len(list))
			}
		}
	}
	c.Must(200, "GET", "/v3/credentials/"+seed, ann.Token, nil)
	c.Must(200, "GET", user+"/credentials/OS-EC2/"+access, ann.Token, nil)

	t.Run("what they make themselves", func(t *testing.T) {
		for _, kind := range []string{"unrestricted", "trust", "oauth1"} {
			token := delegated[kind]
			made := c.Must(201, "POST", user+"/credentials/OS-EC2", token, object{"tenant_id": home})
			key := made.Text("credential", "access")
			c.Must(200, "GET", user+"/credentials/OS-EC2/"+key, token, nil)
			if list := c.Must(200, "GET", "/v3/credentials", token, nil).Body["credentials"].([]any); len(list) != 1 {
				t.Errorf("%s sees %d credentials", kind, len(list))
			}
			for another, tok := range delegated {
				if another != kind && c.Do("GET", user+"/credentials/OS-EC2/"+key, tok, nil).Status != 403 {
					t.Errorf("%s reads the key pair of %s", another, kind)
				}
			}
			// Its login is the delegation's, not the person's.
			login := signedEC2(c, admin, key, made.Text("credential", "secret"), c.Clock.Now().UTC().Format("2006-01-02T15:04:05Z"))
			if login.Status != 200 {
				t.Fatalf("%s: %d %s", kind, login.Status, login.Raw)
			}
			field := map[string]string{"unrestricted": "application_credential", "trust": "OS-TRUST:trust", "oauth1": "OS-OAUTH1"}[kind]
			if login.Get("token", field) == nil {
				t.Errorf("%s: the login is the person's: %s", kind, login.Raw)
			}
			id := identity.EC2ID(key)
			c.Must(403, "PATCH", "/v3/credentials/"+id, token, object{"credential": object{"project_id": away}})
			c.Must(403, "PATCH", "/v3/credentials/"+id, token, object{"credential": object{"user_id": bob.UserID}})
			c.Must(403, "PATCH", "/v3/credentials/"+id, token, object{"credential": object{"type": "totp"}})
			c.Must(204, "DELETE", user+"/credentials/OS-EC2/"+key, token, nil)
		}
		list := c.Must(200, "GET", user+"/application_credentials", restricted, nil).Body["application_credentials"].([]any)
		if len(list) != 1 || list[0].(object)["name"] != "restricted" {
			t.Errorf("a restricted application credential sees %v", list)
		}
		c.Must(200, "GET", fmt.Sprintf("%s/application_credentials/%s", user, list[0].(object)["id"]), restricted, nil)
		c.Must(200, "GET", user+"/application_credentials/"+other, unrestricted, nil)
		if list := c.Must(200, "GET", "/v3/OS-TRUST/trusts", trusted, nil).Body["trusts"].([]any); len(list) != 1 {
			t.Errorf("a trust's token sees %d trusts", len(list))
		}
		c.Must(204, "DELETE", "/v3/OS-TRUST/trusts/"+trusts["used"], trusted, nil)
		c.Must(401, "GET", "/v3/auth/projects", trusted, nil)
	})
	t.Run("access rules cannot be shed", func(t *testing.T) {
		rules := []object{
			{"service": "identity", "method": "POST", "path": "/v3/users/*/application_credentials"},
			{"service": "compute", "method": "GET", "path": "/v2.1/servers"},
		}
		_, bound := appCredToken(c, ann.UserID, ann.Token, object{"name": "bound", "unrestricted": true, "access_rules": rules})
		same := c.Must(201, "POST", user+"/application_credentials", bound, object{"application_credential": object{"name": "child"}})
		if list, _ := same.Get("application_credential", "access_rules").([]any); len(list) != 2 {
			t.Errorf("the rules are shed: %s", same.Raw)
		}
		c.Must(201, "POST", user+"/application_credentials", bound, object{"application_credential": object{"name": "fewer", "access_rules": rules[1:]}})
		c.Must(403, "POST", user+"/application_credentials", bound, object{"application_credential": object{
			"name": "more", "access_rules": []object{{"service": "compute", "method": "POST", "path": "/v2.1/servers"}},
		}})
		c.Must(403, "POST", user+"/application_credentials", bound, object{"application_credential": object{"name": "named", "access_rules": []object{{"id": rule}}}})
	})
}

// A one-time code is a further factor, and a login only where the operator says so.
func TestTOTPAlone(t *testing.T) {
	for _, alone := range []bool{false, true} {
		eachSound(t, func(t *testing.T, c *identitytest.Cloud) {
			admin := c.Admin()
			user := c.Create(admin, "/v3/users", "user", object{"name": "u", "password": "pw"})
			c.Create(admin, "/v3/credentials", "credential", object{"type": "totp", "user_id": user, "blob": totpSeed})
			login := func(want int, methods ...string) {
				t.Helper()
				code, err := identity.TOTPCode(totpSeed, c.Clock.Now())
				if err != nil {
					t.Fatal(err)
				}
				c.Must(want, "POST", "/v3/auth/tokens", "", object{"auth": object{"identity": object{
					"methods": methods, "totp": object{"user": object{"id": user, "passcode": code}}, "password": object{"user": object{"id": user, "password": "pw"}},
				}, "scope": "unscoped"}})
				c.Clock.Advance(identity.TOTPStep)
			}
			login(map[bool]int{false: 401, true: 201}[alone], "totp")
			login(201, "totp", "password")
		}, func(d *identity.Deps) { d.Config.TOTPAlone = alone })
	}
}
