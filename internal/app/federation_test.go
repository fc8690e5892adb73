package app

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestFederationSettings(t *testing.T) {
	oidc := IdentityProvider{IDP: "corp", Protocol: "openid", Issuer: "https://login.example.org", ClientID: "kumoi"}
	with := func(edit func(p *IdentityProvider)) IdentityProviders {
		p := oidc
		edit(&p)
		return IdentityProviders{p}
	}
	for want, s := range map[string]FederationSettings{
		"":                        {IdentityProviders: IdentityProviders{oidc, {IDP: "uni", Protocol: "saml2", Metadata: "/m.xml"}}, TrustedDashboards: []string{"https://d.example.org/x/"}},
		"idp and protocol":        {IdentityProviders: with(func(p *IdentityProvider) { p.IDP = "" })},
		"identity-providers[1]":   {IdentityProviders: IdentityProviders{oidc, oidc}},
		"is there twice":          {IdentityProviders: IdentityProviders{oidc, oidc}},
		"an issuer":               {IdentityProviders: with(func(p *IdentityProvider) { p.Issuer = "" })},
		"of both":                 {IdentityProviders: with(func(p *IdentityProvider) { p.Metadata = "/m.xml" })},
		"is not an address":       {IdentityProviders: with(func(p *IdentityProvider) { p.Issuer = "login.example.org" })},
		"client-id is needed":     {IdentityProviders: with(func(p *IdentityProvider) { p.ClientID = "" })},
		"give one of them":        {IdentityProviders: with(func(p *IdentityProvider) { p.ClientSecret, p.ClientSecretFile = "a", "b" })},
		"keys of SAML":            {IdentityProviders: with(func(p *IdentityProvider) { p.Unsolicited = true })},
		"trusted-dashboards":      {TrustedDashboards: []string{"d.example.org"}},
		`unknown option "colour"`: {LDAPDomains: LDAPDomains{"corp": {"url": "ldap://l", "suffix": "dc=x", "colour": "red"}}},
		"corp: suffix is needed":  {LDAPDomains: LDAPDomains{"corp": {"url": "ldap://l"}}},
	} {
		err := s.validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	s := FederationSettings{IdentityProviders: with(func(p *IdentityProvider) { p.ClientSecretFile = filepath.Join(t.TempDir(), "none") })}
	if _, _, err := s.providers("https://cloud.example.org/identity/v3"); err == nil || !strings.Contains(err.Error(), "client-secret-file") {
		t.Errorf("%v", err)
	}
	file := filepath.Join(t.TempDir(), "m.xml")
	if err := os.WriteFile(file, []byte("no metadata"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = FederationSettings{IdentityProviders: IdentityProviders{{IDP: "uni", Protocol: "saml2", Metadata: file}}}
	if _, _, err := s.providers("https://cloud.example.org/identity/v3"); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%v", err)
	}
}

func TestTryRules(t *testing.T) {
	const rules = `[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"sub"}]},{"local":[{"group":{"id":"g"}}],"remote":[{"type":"groups","any_one_of":["qa"]}]}]`
	assertion, err := ReadAssertion([]byte("# an assertion\nsub: ann\ngroups: ops;dev\n"))
	if err != nil || !reflect.DeepEqual(assertion, map[string][]string{"sub": {"ann"}, "groups": {"ops", "dev"}}) {
		t.Fatalf("%v %v", assertion, err)
	}
	same, err := ReadAssertion([]byte(`{"sub": "ann", "groups": ["ops", "dev"]}`))
	if err != nil || !reflect.DeepEqual(same, assertion) {
		t.Errorf("%v %v", same, err)
	}
	for _, text := range []string{rules, `{"rules":` + rules + `}`, `{"mapping":{"rules":` + rules + `}}`} {
		trial, err := TryRules([]byte(text), assertion)
		if err != nil || trial.Result.UserName != "ann" || len(trial.Rules) != 2 || trial.Rules[0] != "" || !strings.Contains(trial.Rules[1], "any_one_of") || trial.Error != "" {
			t.Errorf("%s: %+v %v", text, trial, err)
		}
	}
	if trial, err := TryRules([]byte(rules), nil); err != nil || trial.Error == "" {
		t.Errorf("%+v %v", trial, err)
	}
	for _, text := range []string{"", "{}", "[", `[{"local":[],"remote":[]}]`} {
		if _, err := TryRules([]byte(text), nil); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	for _, text := range []string{"no colon", `{"a": 1}`, `{"a": [1]}`, "{"} {
		if _, err := ReadAssertion([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
