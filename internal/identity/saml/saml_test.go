package saml_test

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/identity/saml"
	"kumoi/internal/identity/saml/samltest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

type object = map[string]any

const (
	base      = "http://cloud.test/identity/v3"
	auth      = "/v3/OS-FEDERATION/identity_providers/uni/protocols/saml2/auth"
	websso    = "/v3/auth/OS-FEDERATION/identity_providers/uni/protocols/saml2/websso"
	dashboard = "https://dashboard.example.org/auth/websso/"
	paos      = "application/vnd.paos+xml"
)

// federation is a cloud that takes the word of a SAML identity provider, whose
// staff are readers of a project.
func federation(t *testing.T, db *store.DB, more ...saml.Provider) (*identitytest.Cloud, *samltest.IdP, string) {
	t.Helper()
	idp := samltest.New(t)
	file := filepath.Join(t.TempDir(), "metadata.xml")
	if err := os.WriteFile(file, idp.Metadata(), 0o600); err != nil {
		t.Fatal(err)
	}
	if len(more) == 0 {
		more = []saml.Provider{{}}
	}
	p := more[0]
	p.IdP, p.Protocol, p.Metadata = "uni", "saml2", file
	c := identitytest.New(t, db, func(d *identity.Deps) {
		s, err := saml.New(base, []saml.Provider{p}, d.Clock)
		if err != nil {
			t.Fatal(err)
		}
		d.SAML = s
		d.Config.TrustedDashboards = []string{dashboard}
	})
	admin := c.Admin()
	project := c.Create(admin, "/v3/projects", "project", object{"name": "shared"})
	group := c.Create(admin, "/v3/groups", "group", object{"name": "staff"})
	c.Must(204, "PUT", "/v3/projects/"+project+"/groups/"+group+"/roles/"+c.Role(admin, "reader"), admin, nil)
	c.Must(201, "PUT", "/v3/OS-FEDERATION/identity_providers/uni", admin, object{"identity_provider": object{"enabled": true, "remote_ids": []string{idp.MetadataURL()}}})
	c.Must(201, "PUT", "/v3/OS-FEDERATION/mappings/uni", admin, object{"mapping": object{"rules": []object{{
		"local":  []object{{"user": object{"id": "{0}", "name": "{1}"}}, {"groups": "{2}", "domain": object{"id": "default"}}},
		"remote": []object{{"type": "REMOTE_USER"}, {"type": "uid"}, {"type": "eduPersonAffiliation", "whitelist": []string{"staff"}}},
	}}}})
	c.Must(201, "PUT", "/v3/OS-FEDERATION/identity_providers/uni/protocols/saml2", admin, object{"protocol": object{"mapping_id": "uni", "remote_id_attribute": "MELLON_IDP"}})
	idp.Trust("kumoi", c.Must(200, "GET", "/v3/OS-FEDERATION/identity_providers/uni/protocols/saml2/metadata", "", nil).Raw)
	return c, idp, project
}

var (
	formAction = regexp.MustCompile(`action="([^"]*)"`)
	formField  = regexp.MustCompile(`name="([^"]*)" value="([^"]*)"`)
)

// form reads a page's form as a browser does.
func form(page string) (action string, values url.Values) {
	values = url.Values{}
	if m := formAction.FindStringSubmatch(page); m != nil {
		action = html.UnescapeString(m[1])
	}
	for _, m := range formField.FindAllStringSubmatch(page, -1) {
		values.Set(m[1], html.UnescapeString(m[2]))
	}
	return action, values
}

// atProvider logs the browser in at the provider and returns the form that goes back to us.
func atProvider(t *testing.T, location string) url.Values {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	resp, err := browser.Get(location)
	if err != nil {
		t.Fatal(err)
	}
	page := readAll(t, resp)
	action, values := form(page)
	values.Set("user", samltest.User)
	values.Set("password", samltest.Password)
	if resp, err = browser.PostForm(action, values); err != nil {
		t.Fatal(err)
	}
	readAll(t, resp)
	if resp, err = browser.Get(location); err != nil {
		t.Fatal(err)
	}
	page = readAll(t, resp)
	action, values = form(page)
	if action != base+strings.TrimPrefix(websso, "/v3") {
		t.Fatalf("the provider sends the browser to %q: %s", action, page)
	}
	return values
}

func readAll(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func begin(c *identitytest.Cloud) (location, cookie string) {
	a := c.Must(302, "GET", websso+"?origin="+url.QueryEscape(dashboard), "", nil)
	return a.Header.Get("Location"), strings.SplitN(a.Header.Get("Set-Cookie"), ";", 2)[0]
}

func post(c *identitytest.Cloud, values url.Values) identitytest.Answer {
	return c.Do("POST", websso, "", values.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

func TestBrowserLogin(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, _, project := federation(t, db)
		c.Must(401, "GET", websso+"?origin=https://evil.example.org/", "", nil)
		location, cookie := begin(c)
		values := atProvider(t, location)
		back := post(c, values)
		if back.Status != 303 {
			t.Fatalf("the response: %d %s", back.Status, back.Raw)
		}
		if again := post(c, values); again.Status != 401 {
			t.Errorf("the same response again: %d", again.Status)
		}
		to := strings.TrimPrefix(back.Header.Get("Location"), "http://cloud.test/identity")
		c.Must(401, "GET", to, "", nil)                              // another browser
		c.Must(401, "GET", to, "", nil, "Cookie", "kumoi_sso=other") // and another
		page := c.Must(200, "GET", to, "", nil, "Cookie", cookie)
		c.Must(401, "GET", to, "", nil, "Cookie", cookie) // once only
		action, delivered := form(string(page.Raw))
		if action != dashboard {
			t.Errorf("the token goes to %q", action)
		}
		token := delivered.Get("token")
		a := c.Must(200, "GET", "/v3/auth/tokens", token, nil, "X-Subject-Token", token)
		if a.Text("token", "user", "name") != "ann" || a.Text("token", "user", "OS-FEDERATION", "identity_provider", "id") != "uni" {
			t.Errorf("token %s", a.Raw)
		}
		scoped := c.Must(201, "POST", "/v3/auth/tokens", "", object{"auth": object{
			"identity": object{"methods": []string{"token"}, "token": object{"id": token}}, "scope": identitytest.Project(project),
		}})
		if scoped.Get("token", "roles").([]any)[0].(object)["name"] != "reader" {
			t.Errorf("roles %v", scoped.Get("token", "roles"))
		}
	})
}

// What the steps of an enhanced client look like on the wire; the stock client
// takes them in test/federation.
func TestEnhancedClientLogin(t *testing.T) {
	c, idp, _ := federation(t, storetest.SQLite(t))
	ask := c.Must(200, "GET", auth, "", nil, "Accept", paos)
	if ask.Header.Get("Content-Type") != paos {
		t.Errorf("content type %q", ask.Header.Get("Content-Type"))
	}
	relay := regexp.MustCompile(`<ecp:RelayState[^>]*>([^<]*)<`).FindStringSubmatch(string(ask.Raw))[1]
	req, err := http.NewRequest("POST", idp.ECP(), strings.NewReader(string(ask.Raw)))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(samltest.User, samltest.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer := readAll(t, resp)
	if resp.StatusCode != 200 {
		t.Fatalf("the provider: %s %s", resp.Status, answer)
	}
	envelope := regexp.MustCompile(`<ecp:Response[^>]*/>`).ReplaceAllString(answer,
		`<ecp:RelayState xmlns:ecp="urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp">`+relay+`</ecp:RelayState>`)
	if a := c.Do("POST", auth, "", strings.Replace(envelope, relay, "forged", 1), "Content-Type", paos); a.Status != 401 {
		t.Errorf("another relay state: %d %s", a.Status, a.Raw)
	}
	back := c.Must(303, "POST", auth, "", envelope, "Content-Type", paos)
	cookie := strings.SplitN(back.Header.Get("Set-Cookie"), ";", 2)[0]
	a := c.Must(201, "GET", auth, "", nil, "Cookie", cookie)
	if a.Text("token", "user", "name") != "ann" {
		t.Errorf("token %s", a.Raw)
	}
	c.Must(401, "GET", auth, "", nil, "Cookie", cookie)                 // once only
	c.Must(200, "GET", auth, "", nil, "Cookie", cookie, "Accept", paos) // but one may begin again
	c.Must(401, "POST", auth, "", envelope, "Content-Type", paos)       // a replay
	c.Must(400, "POST", auth, "", "<no>envelope</no>", "Content-Type", paos)
	c.Must(401, "GET", auth, "", nil)
}

func TestOldStatesAndTickets(t *testing.T) {
	c, _, _ := federation(t, storetest.SQLite(t))
	location, cookie := begin(c)
	values := atProvider(t, location)
	swapped := url.Values{"SAMLResponse": values["SAMLResponse"]}
	other, _ := begin(c)
	u, err := url.Parse(other)
	if err != nil {
		t.Fatal(err)
	}
	swapped.Set("RelayState", u.Query().Get("RelayState"))
	if a := post(c, swapped); a.Status != 401 {
		t.Errorf("with the relay state of another login: %d", a.Status)
	}
	swapped.Del("RelayState")
	if a := post(c, swapped); a.Status != 401 {
		t.Errorf("without relay state: %d", a.Status)
	}
	if a := c.Do("POST", websso, "", "SAMLResponse=%21%21&RelayState=x"); a.Status != 400 {
		t.Errorf("not base64: %d", a.Status)
	}
	back := post(c, values)
	c.Clock.Advance(5 * time.Minute)
	to := strings.TrimPrefix(back.Header.Get("Location"), "http://cloud.test/identity")
	c.Must(401, "GET", to, "", nil, "Cookie", cookie) // the ticket is too old
}

func TestMetadata(t *testing.T) {
	c, idp, _ := federation(t, storetest.SQLite(t))
	a := c.Must(200, "GET", "/v3/OS-FEDERATION/identity_providers/uni/protocols/saml2/metadata", "", nil)
	for _, want := range []string{base + strings.TrimPrefix(websso, "/v3"), base + strings.TrimPrefix(auth, "/v3"), "bindings:PAOS", "WantAssertionsSigned=\"true\""} {
		if !strings.Contains(string(a.Raw), want) {
			t.Errorf("no %s in %s", want, a.Raw)
		}
	}
	c.Must(404, "GET", "/v3/OS-FEDERATION/identity_providers/uni/protocols/other/metadata", "", nil)
	c.Must(401, "GET", "/v3/OS-FEDERATION/identity_providers/uni/protocols/other/auth", "", nil, "Accept", paos)
	dir := t.TempDir()
	for name, text := range map[string]string{"none": "", "html": "<html></html>", "of a service": string(a.Raw)} {
		file := filepath.Join(dir, "m")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := saml.New(base, []saml.Provider{{IdP: "x", Protocol: "y", Metadata: file}}, time.Now); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Metadata from a URL is read when it is needed.
	s, err := saml.New(base, []saml.Provider{{IdP: "x", Protocol: "y", Metadata: idp.MetadataURL()}, {IdP: "gone", Protocol: "y", Metadata: idp.URL + "/nothing"}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if to, err := s.Redirect(t.Context(), "x", "y", "id-1", "relay"); err != nil || !strings.HasPrefix(to, idp.URL+"/sso?SAMLRequest=") {
		t.Errorf("%q %v", to, err)
	}
	if _, err := s.Redirect(t.Context(), "gone", "y", "id-1", "relay"); err == nil {
		t.Error("no metadata, no error")
	}
}

// Who may have an assertion made for another cloud, and what it says.
func TestIssueAssertion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c, _, project := federation(t, db)
		admin := c.Admin()
		const there = "https://away.example.org/identity/v3/OS-FEDERATION/identity_providers/home/protocols/saml2/auth"
		c.Must(201, "PUT", "/v3/OS-FEDERATION/service_providers/away", admin, object{"service_provider": object{"auth_url": there, "sp_url": there, "enabled": true}})
		c.Must(201, "PUT", "/v3/OS-FEDERATION/service_providers/off", admin, object{"service_provider": object{"auth_url": there, "sp_url": there, "enabled": false}})
		who := c.Persona(admin, "bob", "default", "member", "project", project)
		group := c.Must(200, "GET", "/v3/groups?name=staff", admin, nil).Body["groups"].([]any)[0].(object)["id"].(string)
		c.Must(204, "PUT", "/v3/groups/"+group+"/users/"+who.UserID, admin, nil)
		token := c.Login(who.UserID, "pw-bob", identitytest.Project(project))
		ask := func(path, token, sp string) identitytest.Answer {
			return c.Do("POST", "/v3/auth/OS-FEDERATION/"+path, "", object{"auth": object{
				"identity": object{"methods": []string{"token"}, "token": object{"id": token}}, "scope": object{"service_provider": object{"id": sp}},
			}})
		}
		for path, root := range map[string]string{"saml2": "<samlp:Response", "saml2/ecp": "<S:Envelope"} {
			a := ask(path, token, "away")
			text := string(a.Raw)
			if a.Status != 200 || a.Header.Get("X-Sp-Url") != there || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/xml") || !strings.HasPrefix(text, root) {
				t.Errorf("%s: %d %v %.200s", path, a.Status, a.Header, text)
			}
			for _, want := range []string{">bob<", ">shared<", ">member<", ">Default<", `Recipient="` + there, "JSON:{&quot;domain&quot;:{&quot;name&quot;:&quot;Default&quot;},&quot;name&quot;:&quot;staff&quot;}"} {
				if !strings.Contains(text, want) {
					t.Errorf("%s: no %s in %s", path, want, text)
				}
			}
		}
		app := c.Create(token, "/v3/users/"+who.UserID+"/application_credentials", "application_credential", object{"name": "a", "secret": "s"})
		byApp := c.Must(201, "POST", "/v3/auth/tokens", "", object{"auth": object{"identity": object{
			"methods": []string{"application_credential"}, "application_credential": object{"id": app, "secret": "s"},
		}}}).Header.Get("X-Subject-Token")
		for name, tc := range map[string]struct {
			a      identitytest.Answer
			status int
		}{
			"unscoped":         {ask("saml2", c.Login(who.UserID, "pw-bob", "unscoped"), "away"), 403},
			"delegated":        {ask("saml2", byApp, "away"), 403},
			"no such provider": {ask("saml2", token, "nowhere"), 404},
			"disabled":         {ask("saml2/ecp", token, "off"), 403},
			"forged token":     {ask("saml2", strings.Repeat("A", 120), "away"), 401},
			"no token":         {c.Do("POST", "/v3/auth/OS-FEDERATION/saml2", "", object{"auth": object{}}), 400},
		} {
			if tc.a.Status != tc.status {
				t.Errorf("%s: %d, want %d: %s", name, tc.a.Status, tc.status, tc.a.Raw)
			}
		}
		first := c.Must(200, "GET", "/v3/OS-FEDERATION/saml2/metadata", "", nil)
		certificate := regexp.MustCompile(`<X509Certificate[^>]*>([^<]+)<`).FindStringSubmatch(string(first.Raw))
		if certificate == nil || !strings.Contains(string(ask("saml2", token, "away").Raw), certificate[1]) {
			t.Errorf("the metadata has another certificate: %s", first.Raw)
		}
	})
}
