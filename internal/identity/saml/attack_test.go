package saml_test

import (
	"compress/flate"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	saml2 "github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"

	"kumoi/internal/identity"
	"kumoi/internal/identity/identitytest"
	"kumoi/internal/identity/saml"
	"kumoi/internal/identity/saml/samltest"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store/storetest"
)

// login is a browser login that has come as far as the provider.
type login struct {
	c         *identitytest.Cloud
	idp       *samltest.IdP
	requestID string
	relay     string
	cookie    string
}

func startLogin(t *testing.T, c *identitytest.Cloud, idp *samltest.IdP) *login {
	t.Helper()
	location, cookie := begin(c)
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	deflated, err := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(flate.NewReader(strings.NewReader(string(deflated))))
	if err != nil {
		t.Fatal(err)
	}
	var req saml2.AuthnRequest
	if err := xml.Unmarshal(text, &req); err != nil {
		t.Fatal(err)
	}
	return &login{c, idp, req.ID, u.Query().Get("RelayState"), cookie}
}

// honest is what the provider would say to the request.
func (l *login) honest() *saml2.Assertion {
	now := time.Now().UTC()
	return &saml2.Assertion{
		ID: "a-1" + l.requestID, IssueInstant: now, Version: "2.0", Issuer: saml2.Issuer{Value: l.idp.MetadataURL()},
		Subject: &saml2.Subject{
			NameID: &saml2.NameID{Value: samltest.Email},
			SubjectConfirmations: []saml2.SubjectConfirmation{{Method: "urn:oasis:names:tc:SAML:2.0:cm:bearer", SubjectConfirmationData: &saml2.SubjectConfirmationData{
				NotOnOrAfter: now.Add(time.Minute), Recipient: base + strings.TrimPrefix(websso, "/v3"), InResponseTo: l.requestID,
			}}},
		},
		Conditions: &saml2.Conditions{
			NotBefore: now.Add(-time.Minute), NotOnOrAfter: now.Add(time.Minute),
			AudienceRestrictions: []saml2.AudienceRestriction{{Audience: saml2.Audience{Value: base + strings.TrimPrefix(strings.TrimSuffix(auth, "/auth"), "/v3") + "/metadata"}}},
		},
		AttributeStatements: []saml2.AttributeStatement{{Attributes: []saml2.Attribute{
			{FriendlyName: "uid", Name: "urn:oid:0.9.2342.19200300.100.1.1", Values: []saml2.AttributeValue{{Value: samltest.User}}},
			{FriendlyName: "eduPersonAffiliation", Name: "urn:oid:1.3.6.1.4.1.5923.1.1.1.1", Values: []saml2.AttributeValue{{Value: "staff"}}},
		}}},
	}
}

// sign makes a response of an assertion. The provider signs the assertion, and
// the response too if whole.
func (l *login) sign(t *testing.T, a *saml2.Assertion, idp *saml2.IdentityProvider, whole bool) string {
	t.Helper()
	req := &saml2.IdpAuthnRequest{
		IDP: idp, Now: time.Now().UTC(), SPSSODescriptor: &saml2.SPSSODescriptor{}, Assertion: a,
		ACSEndpoint: &saml2.IndexedEndpoint{Location: base + strings.TrimPrefix(websso, "/v3")},
		Request:     saml2.AuthnRequest{ID: l.requestID},
	}
	if err := req.MakeResponse(); err != nil {
		t.Fatal(err)
	}
	if !whole {
		for _, e := range req.ResponseEl.ChildElements() {
			if e.Tag == "Signature" {
				req.ResponseEl.RemoveChild(e)
			}
		}
	}
	doc := etree.NewDocument()
	doc.SetRoot(req.ResponseEl)
	text, err := doc.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (l *login) send(response string) identitytest.Answer {
	return post(l.c, url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(response))}, "RelayState": {l.relay}})
}

var (
	wholeAssertion = regexp.MustCompile(`(?s)<saml:Assertion.*</saml:Assertion>`)
	anySignature   = regexp.MustCompile(`(?s)<ds:Signature .*?</ds:Signature>`)
)

func TestHonestResponses(t *testing.T) {
	c, idp, _ := federation(t, storetest.SQLite(t))
	for name, whole := range map[string]bool{"assertion signed": false, "both signed": true} {
		l := startLogin(t, c, idp)
		if a := l.send(l.sign(t, l.honest(), idp.Signer(), whole)); a.Status != 303 {
			t.Errorf("%s: %d %s", name, a.Status, a.Raw)
		}
	}
	l := startLogin(t, c, idp)
	a := l.honest()
	a.ID = "only-response-signed"
	text := l.sign(t, a, idp.Signer(), true)
	if got := l.send(text); got.Status != 303 {
		t.Errorf("%d %s", got.Status, got.Raw)
	}
}

// Assertions that the provider did sign, but not for this login, this cloud or this time.
func TestAssertionsForSomethingElse(t *testing.T) {
	c, idp, _ := federation(t, storetest.SQLite(t))
	past := time.Now().Add(-time.Hour).UTC()
	for name, edit := range map[string]func(a *saml2.Assertion){
		"another audience": func(a *saml2.Assertion) {
			a.Conditions.AudienceRestrictions[0].Audience.Value = "https://other.example.org"
		},
		"no audience": func(a *saml2.Assertion) { a.Conditions.AudienceRestrictions = nil },
		"another recipient": func(a *saml2.Assertion) {
			a.Subject.SubjectConfirmations[0].SubjectConfirmationData.Recipient = "https://other.example.org"
		},
		"no recipient": func(a *saml2.Assertion) { a.Subject.SubjectConfirmations[0].SubjectConfirmationData.Recipient = "" },
		"another request": func(a *saml2.Assertion) {
			a.Subject.SubjectConfirmations[0].SubjectConfirmationData.InResponseTo = "id-other"
		},
		"no request": func(a *saml2.Assertion) { a.Subject.SubjectConfirmations[0].SubjectConfirmationData.InResponseTo = "" },
		"not a bearer": func(a *saml2.Assertion) {
			a.Subject.SubjectConfirmations[0].Method = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
		},
		"no confirmation": func(a *saml2.Assertion) { a.Subject.SubjectConfirmations = nil },
		"no conditions":   func(a *saml2.Assertion) { a.Conditions = nil },
		"no subject":      func(a *saml2.Assertion) { a.Subject = nil },
		"nobody":          func(a *saml2.Assertion) { a.Subject.NameID.Value = "" },
		"no id":           func(a *saml2.Assertion) { a.ID = "" },
		"expired":         func(a *saml2.Assertion) { a.Conditions.NotOnOrAfter = past },
		"confirmation ended": func(a *saml2.Assertion) {
			a.Subject.SubjectConfirmations[0].SubjectConfirmationData.NotOnOrAfter = past
		},
		"confirmation open": func(a *saml2.Assertion) {
			a.Subject.SubjectConfirmations[0].SubjectConfirmationData.NotOnOrAfter = time.Time{}
		},
		"not yet":        func(a *saml2.Assertion) { a.Conditions.NotBefore = time.Now().Add(time.Hour).UTC() },
		"made long ago":  func(a *saml2.Assertion) { a.IssueInstant = past },
		"another issuer": func(a *saml2.Assertion) { a.Issuer.Value = "https://other.example.org" },
	} {
		l := startLogin(t, c, idp)
		a := l.honest()
		edit(a)
		if got := l.send(l.sign(t, a, idp.Signer(), false)); got.Status != 401 {
			t.Errorf("%s: %d %s", name, got.Status, got.Raw)
		}
	}
	// Replayed in a new login of the attacker's, and by one who has its relay state.
	l := startLogin(t, c, idp)
	text := l.sign(t, l.honest(), idp.Signer(), false)
	if got := l.send(text); got.Status != 303 {
		t.Fatalf("%d %s", got.Status, got.Raw)
	}
	if got := l.send(text); got.Status != 401 {
		t.Errorf("a replay: %d", got.Status)
	}
	if got := startLogin(t, c, idp).send(text); got.Status != 401 {
		t.Errorf("a replay in another login: %d", got.Status)
	}
}

// Documents that are not what the provider signed.
func TestForgedResponses(t *testing.T) {
	c, idp, _ := federation(t, storetest.SQLite(t))
	stranger := *idp.Signer()
	key, cert := samltest.Pair(t)
	stranger.Key, stranger.Certificate = key, cert
	weak := *idp.Signer()
	weak.SignatureMethod = dsig.RSASHA1SignatureMethod
	evil := func(l *login, id string) string {
		a := l.honest()
		a.ID, a.Subject.NameID.Value = id, "root@uni.test"
		text := l.sign(t, a, &stranger, false)
		return anySignature.ReplaceAllString(wholeAssertion.FindString(text), "")
	}
	for name, forge := range map[string]func(l *login, text, assertion string) string{
		"unsigned":             func(_ *login, text, _ string) string { return anySignature.ReplaceAllString(text, "") },
		"signed by a stranger": func(l *login, _, _ string) string { return l.sign(t, l.honest(), &stranger, true) },
		"signed with SHA-1":    func(l *login, _, _ string) string { return l.sign(t, l.honest(), &weak, false) },
		"changed name": func(_ *login, text, _ string) string {
			return strings.ReplaceAll(text, samltest.Email, "root@uni.test")
		},
		"changed group": func(_ *login, text, _ string) string { return strings.ReplaceAll(text, ">staff<", ">admins<") },
		// Signature wrapping: the signed assertion stays somewhere, another is read.
		"wrapping: another one first": func(l *login, text, good string) string { return strings.Replace(text, good, evil(l, "evil")+good, 1) },
		"wrapping: another one last":  func(l *login, text, good string) string { return strings.Replace(text, good, good+evil(l, "evil"), 1) },
		"wrapping: the same id": func(l *login, text, good string) string {
			return strings.Replace(text, good, evil(l, "a-1"+l.requestID)+good, 1)
		},
		"wrapping: inside the other": func(l *login, text, good string) string {
			return strings.Replace(text, good, strings.Replace(evil(l, "evil"), "</saml:Assertion>", good+"</saml:Assertion>", 1), 1)
		},
		"wrapping: in the signature": func(l *login, text, good string) string {
			sig := anySignature.FindString(good)
			bare := strings.Replace(good, sig, "", 1)
			sig = strings.Replace(sig, "</ds:Signature>", "<ds:Object>"+bare+"</ds:Object></ds:Signature>", 1)
			return strings.Replace(text, good, strings.Replace(evil(l, "evil"), "<saml:Subject>", sig+"<saml:Subject>", 1), 1)
		},
		"wrapping: in an extension": func(l *login, text, good string) string {
			return strings.Replace(text, good, "<samlp:Extensions>"+good+"</samlp:Extensions>"+evil(l, "evil"), 1)
		},
		"signature of nothing": func(l *login, text, good string) string {
			return strings.Replace(text, good, strings.Replace(evil(l, "evil"), "<saml:Subject>", anySignature.FindString(good)+"<saml:Subject>", 1), 1)
		},
		"encrypted": func(_ *login, text, good string) string {
			return strings.Replace(text, good, `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"/>`+good, 1)
		},
		"failed": func(_ *login, text, _ string) string {
			return strings.Replace(text, "status:Success", "status:Responder", 1)
		},
		"entities": func(_ *login, text, _ string) string {
			return `<!DOCTYPE x [<!ENTITY e "root">]>` + strings.ReplaceAll(text, "staff", "&e;")
		},
		"ambiguous names":  func(_ *login, text, _ string) string { return strings.Replace(text, "<saml:Subject>", "<:Subject>", 1) },
		"deep":             func(_ *login, _, _ string) string { return strings.Repeat("<a>", 5000) + strings.Repeat("</a>", 5000) },
		"another document": func(_ *login, _, good string) string { return good },
		"nothing":          func(_ *login, _, _ string) string { return "" },
	} {
		l := startLogin(t, c, idp)
		text := l.sign(t, l.honest(), idp.Signer(), false)
		forged := forge(l, text, wholeAssertion.FindString(text))
		if forged == text {
			t.Fatalf("%s: nothing is forged", name)
		}
		if got := l.send(forged); got.Status != 401 {
			t.Errorf("%s: %d %s", name, got.Status, got.Raw)
		}
	}
	// A comment does not cut a name short: the whole name is one user, whoever he is.
	l := startLogin(t, c, idp)
	a := l.honest()
	a.Subject.NameID.Value = samltest.Email + ".evil.test"
	text := strings.Replace(l.sign(t, a, idp.Signer(), false), samltest.Email+".evil", samltest.Email+"<!-- -->.evil", 1)
	got := l.send(text)
	if got.Status == 303 {
		page := c.Must(200, "GET", strings.TrimPrefix(got.Header.Get("Location"), "http://cloud.test/identity"), "", nil, "Cookie", l.cookie)
		_, delivered := form(string(page.Raw))
		token := delivered.Get("token")
		shown := c.Must(200, "GET", "/v3/auth/tokens", token, nil, "X-Subject-Token", token)
		user := c.Must(200, "GET", "/v3/users/"+shown.Text("token", "user", "id"), c.Admin(), nil)
		if !strings.Contains(string(user.Raw), samltest.Email+".evil.test") {
			t.Errorf("a comment in the name makes somebody else: %s", user.Raw)
		}
	} else if got.Status != 401 {
		t.Errorf("a comment in the name: %d %s", got.Status, got.Raw)
	}
}

// Attributes that a provider sends cannot take the place of what we know ourselves.
func TestAttributesThatClaimToBeOurs(t *testing.T) {
	c, idp, _ := federation(t, storetest.SQLite(t))
	l := startLogin(t, c, idp)
	a := l.honest()
	for _, name := range []string{"REMOTE_USER", "MELLON_IDP", "iss", "MELLON_NAME_ID"} {
		a.AttributeStatements[0].Attributes = append(a.AttributeStatements[0].Attributes, saml2.Attribute{Name: name, Values: []saml2.AttributeValue{{Value: "root"}}})
	}
	got := l.send(l.sign(t, a, idp.Signer(), false))
	if got.Status != 303 {
		t.Fatalf("%d %s", got.Status, got.Raw)
	}
	users := c.Must(200, "GET", "/v3/users?idp_id=uni", c.Admin(), nil)
	if !strings.Contains(string(users.Raw), samltest.Email) || strings.Contains(string(users.Raw), "root") {
		t.Errorf("%s", users.Raw)
	}
}

// No response that a stranger makes up is taken, and none breaks the parser.
func FuzzResponse(f *testing.F) {
	idp := samltest.New(f)
	file := filepath.Join(f.TempDir(), "metadata.xml")
	if err := os.WriteFile(file, idp.Metadata(), 0o600); err != nil {
		f.Fatal(err)
	}
	s, err := saml.New(base, []saml.Provider{{IdP: "uni", Protocol: "saml2", Metadata: file}}, time.Now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="r" InResponseTo="id-1" Version="2.0"><saml:Issuer>x</saml:Issuer><saml:Assertion ID="a"><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo/></ds:Signature><saml:Subject><saml:NameID>n</saml:NameID></saml:Subject></saml:Assertion></samlp:Response>`)
	f.Add(`<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Header/><S:Body><samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"/></S:Body></S:Envelope>`)
	f.Fuzz(func(t *testing.T, text string) {
		if response, _, err := s.Open([]byte(text)); err == nil {
			text = string(response)
		}
		if a, err := s.Check(t.Context(), "uni", "saml2", identity.SAMLResponse{XML: []byte(text), RequestID: "id-1"}); err == nil {
			t.Errorf("%q is taken: %v", text, a)
		} else if !errs.Is(err, errs.Unauthenticated) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
