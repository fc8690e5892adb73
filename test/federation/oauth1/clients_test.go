package oauth1_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dghubble/oauth1"
	mrjones "github.com/mrjones/oauth"

	"kumoi/internal/identity/identitytest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

type object = map[string]any

// asking adds what Keystone wants beyond OAuth1 to a client's requests.
type asking struct{ project string }

func (a asking) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("Requested-Project-Id", a.project)
	return http.DefaultTransport.RoundTrip(r)
}

type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// plaintext is the signature that signs nothing: the secrets themselves.
type plaintext struct{ secret string }

func (p plaintext) Name() string { return "PLAINTEXT" }

func (p plaintext) Sign(tokenSecret, _ string) (string, error) {
	return oauth1.PercentEncode(p.secret) + "&" + oauth1.PercentEncode(tokenSecret), nil
}

// consumer makes an OAuth1 consumer.
func consumer(c *identitytest.Cloud, admin string) (id, secret string) {
	c.T.Helper()
	a := c.Must(201, "POST", "/v3/OS-OAUTH1/consumers", admin, object{"consumer": object{"description": "x"}})
	return a.Text("consumer", "id"), a.Text("consumer", "secret")
}

// oauth1Token logs in by OAuth1, by a client that we did not write.
func oauth1Token(c *identitytest.Cloud, base, admin, userToken, project string, signer func(secret string) oauth1.Signer) string {
	c.T.Helper()
	id, secret := consumer(c, admin)
	endpoint := base + "/identity/v3/OS-OAUTH1"
	config := &oauth1.Config{
		ConsumerKey: id, ConsumerSecret: secret, CallbackURL: "oob", Signer: signer(secret), HTTPClient: &http.Client{Transport: asking{project}},
		Endpoint: oauth1.Endpoint{RequestTokenURL: endpoint + "/request_token", AccessTokenURL: endpoint + "/access_token"},
	}
	request, requestSecret, err := config.RequestToken()
	if err != nil {
		c.T.Fatal(err)
	}
	verifier := c.Must(200, "PUT", "/v3/OS-OAUTH1/authorize/"+request, userToken, object{"roles": []object{{"name": "member"}}}).Text("token", "oauth_verifier")
	access, accessSecret, err := config.AccessToken(request, requestSecret, verifier)
	if err != nil {
		c.T.Fatal(err)
	}
	body := []byte(`{"auth":{"identity":{"methods":["oauth1"],"oauth1":{}}}}`)
	resp, err := config.Client(c.T.Context(), oauth1.NewToken(access, accessSecret)).Post(base+"/identity/v3/auth/tokens", "application/json", bytes.NewReader(body))
	if err != nil {
		c.T.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 201 {
		c.T.Fatalf("login by OAuth1: %d %s", resp.StatusCode, text)
	}
	return resp.Header.Get("X-Subject-Token")
}

// Signatures are those of two libraries that know nothing of each other.
func TestOAuth1Clients(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := identitytest.New(t, db)
		admin := c.Admin()
		project := c.Create(admin, "/v3/projects", "project", object{"name": "p"})
		ann := c.Persona(admin, "ann", "default", "admin", "project", project)
		srv := httptest.NewServer(c.Handler)
		defer srv.Close()
		for name, signer := range map[string]func(secret string) oauth1.Signer{
			"HMAC-SHA1":   func(s string) oauth1.Signer { return &oauth1.HMACSigner{ConsumerSecret: s} },
			"HMAC-SHA256": func(s string) oauth1.Signer { return &oauth1.HMAC256Signer{ConsumerSecret: s} },
			"PLAINTEXT":   func(s string) oauth1.Signer { return plaintext{s} },
		} {
			t.Run(name, func(t *testing.T) {
				token := oauth1Token(c, srv.URL, admin, ann.Token, project, signer)
				if a := c.Must(200, "GET", "/v3/auth/tokens", token, nil, "X-Subject-Token", token); a.Text("token", "user", "id") != ann.UserID {
					t.Errorf("%s", a.Raw)
				}
			})
		}
		for _, method := range []string{"GET", "POST"} { // a GET's parameters stand in the header too
			id, secret := consumer(c, admin)
			other := mrjones.NewCustomHttpClientConsumer(id, secret, mrjones.ServiceProvider{
				RequestTokenUrl: srv.URL + "/identity/v3/OS-OAUTH1/request_token", AccessTokenUrl: srv.URL + "/identity/v3/OS-OAUTH1/access_token", HttpMethod: method,
			}, &http.Client{Transport: asking{project}})
			request, _, err := other.GetRequestTokenAndUrl("oob")
			if method == "GET" { // OAuth1 leaves the method to the server, which is Keystone's
				if err == nil {
					t.Error("GET is no route")
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			verifier := c.Must(200, "PUT", "/v3/OS-OAUTH1/authorize/"+request.Token, ann.Token, object{"roles": []object{{"name": "member"}}}).Text("token", "oauth_verifier")
			if _, err := other.AuthorizeToken(request, verifier); err != nil {
				t.Fatal(err)
			}
		}
		// What a form says is signed too; what it says later is not.
		for sent, want := range map[string]int{"a=1&b=x%20y": 201, "a=2&b=x%20y": 401} {
			id, secret := consumer(c, admin)
			signed := ""
			client := (&oauth1.Config{ConsumerKey: id, ConsumerSecret: secret}).Client(context.WithValue(t.Context(), oauth1.HTTPClient, &http.Client{
				Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					signed = r.Header.Get("Authorization")
					return nil, io.EOF
				}),
			}), oauth1.NewToken("", ""))
			form := "application/x-www-form-urlencoded"
			resp, err := client.Post("http://Cloud.test:80/identity/v3/OS-OAUTH1/request_token", form, strings.NewReader("a=1&b=x%20y"))
			if err == nil {
				resp.Body.Close()
			}
			c.Must(want, "POST", "/v3/OS-OAUTH1/request_token", "", sent, "Authorization", signed, "Content-Type", form, "Requested-Project-Id", project)
		}
		// A wrong secret, and a method that is none.
		id, _ := consumer(c, admin)
		for _, signer := range []oauth1.Signer{&oauth1.HMACSigner{ConsumerSecret: "wrong"}, plaintext{"wrong"}, plaintext{""}} {
			config := &oauth1.Config{
				ConsumerKey: id, Signer: signer, HTTPClient: &http.Client{Transport: asking{project}},
				Endpoint: oauth1.Endpoint{RequestTokenURL: srv.URL + "/identity/v3/OS-OAUTH1/request_token"},
			}
			if _, _, err := config.RequestToken(); err == nil {
				t.Errorf("%s with a wrong secret is taken", signer.Name())
			}
		}
	})
}
