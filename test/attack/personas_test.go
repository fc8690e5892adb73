package attack

import (
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/oauth1"
)

// persona is somebody with a token who has no business with the victim's things.
type persona struct {
	name  string
	token string
	// inside has a reader's rights in the victim's project: what is there may be
	// seen, and nothing may be changed.
	inside bool
}

// personas makes everybody who attacks: strangers with a token of their own,
// strangers who act by a delegation, nobody, and readers of the victim's project.
func (w *world) personas() []persona {
	w.t.Helper()
	o, v := w.other, w.victim
	c := w.http.As(w.admin)
	reader := w.user("stranger", o.domain, "reader", "project", o.ids["project"])
	manager := w.user("managing", o.domain, "manager", "domain", o.domain)
	trustee := w.user("trusted", o.domain, "member", "project", o.ids["project"])
	inside := w.user("inside", v.domain, "reader", "project", v.ids["project"])
	consumer := c.Want(201, "POST", "/identity/v3/OS-OAUTH1/consumers", object{"consumer": object{}})
	w.shared["consumer"] = consumer.Text("consumer.id")
	// Consent is an admin's to give by OpenStack's rules, for whatever role: both are it for a moment.
	strange := w.oauth1(o, consumer.Text("consumer.id"), consumer.Text("consumer.secret"), "member")
	reading := w.oauth1(v, consumer.Text("consumer.id"), consumer.Text("consumer.secret"), "reader")
	rule := []object{{"service": "compute", "method": "GET", "path": "/v2.1/servers"}}
	return []persona{
		{name: "another project's member", token: o.token},
		{name: "another project's reader", token: w.loginTo(reader, "stranger", "project", o.ids["project"])},
		{name: "another domain's manager", token: w.loginTo(manager, "managing", "domain", o.domain)},
		{name: "a stranger's application credential", token: w.applicationCredential(o, "restricted", nil)},
		{name: "a stranger's unrestricted application credential", token: w.applicationCredential(o, "unrestricted", object{"unrestricted": true})},
		{name: "a stranger's application credential with access rules", token: w.applicationCredential(o, "ruled", object{"access_rules": rule})},
		{name: "a stranger's trust", token: w.trust(o, trustee, "trusted", "member")},
		{name: "a stranger's OAuth1 token", token: strange},
		{name: "nobody"},
		{name: "a forged token", token: "gAAAAA" + strings.Repeat("a", 120)},
		{name: "a reader of the project", token: w.loginTo(inside, "inside", "project", v.ids["project"]), inside: true},
		{name: "a reader's application credential", token: w.applicationCredential(v, "reading", object{"roles": []object{{"name": "reader"}}}), inside: true},
		{name: "a reader's trust", token: w.trust(v, trustee, "trusted", "reader"), inside: true},
		{name: "a reader's OAuth1 token", token: reading, inside: true},
	}
}

// applicationCredential makes one of a tenant's and logs in with it.
func (w *world) applicationCredential(t *tenant, name string, more object) string {
	w.t.Helper()
	body := object{"name": name, "secret": "the secret of " + name}
	for k, v := range more {
		body[k] = v
	}
	id := w.http.As(t.token).Want(201, "POST", "/identity/v3/users/"+t.ids["user"]+"/application_credentials",
		object{"application_credential": body}).Text("application_credential.id")
	return w.auth(object{
		"methods": []string{"application_credential"}, "application_credential": object{"id": id, "secret": "the secret of " + name},
	}, nil)
}

// trust has a tenant trust somebody with a role, and logs that one in by it.
func (w *world) trust(t *tenant, trustee, name, role string) string {
	w.t.Helper()
	id := w.http.As(t.token).Want(201, "POST", "/identity/v3/OS-TRUST/trusts", object{"trust": object{
		"trustor_user_id": t.ids["user"], "trustee_user_id": trustee, "impersonation": true,
		"project_id": t.ids["project"], "roles": []object{{"name": role}},
	}}).Text("trust.id")
	return w.login(object{"user": object{"id": trustee, "password": password(name)}}, object{"OS-TRUST:trust": object{"id": id}})
}

// oauth1 walks the three legs of OAuth1 for a tenant and logs in by the outcome.
func (w *world) oauth1(t *tenant, consumer, secret, role string) string {
	w.t.Helper()
	fail := func(err error) {
		if err != nil {
			w.t.Helper()
			w.t.Fatal(err)
		}
	}
	ctx := w.t.Context()
	grant := "/identity/v3/projects/" + t.ids["project"] + "/users/" + t.ids["user"] + "/roles/" + w.roles["admin"]
	w.http.As(w.admin).Want(204, "PUT", grant, nil)
	provider, err := openstack.NewClient(w.cloud.AuthURL())
	fail(err)
	provider.TokenID = w.loginTo(t.ids["user"], t.mark+"-user", "project", t.ids["project"])
	identity := &gophercloud.ServiceClient{ProviderClient: provider, Endpoint: w.cloud.AuthURL() + "/", Type: "identity"}
	request, err := oauth1.RequestToken(ctx, identity, oauth1.RequestTokenOpts{
		OAuthConsumerKey: consumer, OAuthConsumerSecret: secret, OAuthSignatureMethod: oauth1.HMACSHA1, RequestedProjectID: t.ids["project"],
	}).Extract()
	fail(err)
	granted, err := oauth1.AuthorizeToken(ctx, identity, request.OAuthToken, oauth1.AuthorizeTokenOpts{Roles: []oauth1.Role{{ID: w.roles[role]}}}).Extract()
	fail(err)
	w.http.As(w.admin).Want(204, "DELETE", grant, nil)
	t.token = w.loginTo(t.ids["user"], t.mark+"-user", "project", t.ids["project"])
	access, err := oauth1.CreateAccessToken(ctx, identity, oauth1.CreateAccessTokenOpts{
		OAuthConsumerKey: consumer, OAuthConsumerSecret: secret, OAuthSignatureMethod: oauth1.HMACSHA1,
		OAuthToken: request.OAuthToken, OAuthTokenSecret: request.OAuthTokenSecret, OAuthVerifier: granted.OAuthVerifier,
	}).Extract()
	fail(err)
	token, err := oauth1.Create(ctx, identity, oauth1.AuthOptions{
		OAuthConsumerKey: consumer, OAuthConsumerSecret: secret, OAuthSignatureMethod: oauth1.HMACSHA1,
		OAuthToken: access.OAuthToken, OAuthTokenSecret: access.OAuthTokenSecret,
	}).ExtractTokenID()
	fail(err)
	t.ids["access_token"] = access.OAuthToken
	return token
}
