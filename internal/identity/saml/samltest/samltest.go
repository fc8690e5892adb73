// Package samltest is a SAML identity provider for tests: the one that the
// library brings, with a page where browsers log in, and beside it what the
// library lacks: an endpoint for enhanced clients (ECP), which log in by HTTP's
// basic authentication.
package samltest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	"github.com/crewjam/saml/samlidp"
	dsig "github.com/russellhaering/goxmldsig"
)

// The one user of the provider.
const (
	User     = "ann"
	Password = "ann's password"
	Email    = "ann@uni.test"
)

// IdP is a running identity provider.
type IdP struct {
	*httptest.Server
	t   testing.TB
	idp *samlidp.Server
	sps [][]byte // metadata of those who trust us, as it came: the library forgets endpoints of ECP
}

// New starts one.
func New(t testing.TB) *IdP {
	t.Helper()
	key, cert := Pair(t)
	x := &IdP{t: t}
	mux := http.NewServeMux()
	x.Server = httptest.NewServer(mux)
	t.Cleanup(x.Close)
	at, err := url.Parse(x.URL)
	if err != nil {
		t.Fatal(err)
	}
	if x.idp, err = samlidp.New(samlidp.Options{
		URL: *at, Key: key, Certificate: cert, Store: &samlidp.MemoryStore{}, Logger: log.New(io.Discard, "", 0),
	}); err != nil {
		t.Fatal(err)
	}
	x.idp.IDP.SignatureMethod = dsig.RSASHA256SignatureMethod
	mux.Handle("/", x.idp)
	mux.HandleFunc("POST /ecp", x.enhanced)
	password := Password
	text, err := json.Marshal(samlidp.User{Name: User, PlaintextPassword: &password, Groups: []string{"staff", "ops"}, Email: Email, CommonName: "Ann Example"})
	if err != nil {
		t.Fatal(err)
	}
	x.put("/users/"+User, text)
	return x
}

// Pair makes a key and a certificate for it.
func Pair(t testing.TB) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

func (x *IdP) put(path string, body []byte) {
	x.t.Helper()
	w := httptest.NewRecorder()
	x.idp.ServeHTTP(w, httptest.NewRequest(http.MethodPut, path, bytes.NewReader(body)))
	if w.Code >= 300 {
		x.t.Fatalf("PUT %s: %d %s", path, w.Code, w.Body)
	}
}

// MetadataURL is where the provider describes itself.
func (x *IdP) MetadataURL() string { return x.URL + "/metadata" }

// ECP is where enhanced clients log in.
func (x *IdP) ECP() string { return x.URL + "/ecp" }

// Metadata is the provider's description.
func (x *IdP) Metadata() []byte {
	x.t.Helper()
	b, err := xml.Marshal(x.idp.IDP.Metadata())
	if err != nil {
		x.t.Fatal(err)
	}
	return b
}

// Trust makes a service provider known by its metadata.
func (x *IdP) Trust(name string, metadata []byte) {
	x.put("/services/"+name, metadata)
	x.sps = append(x.sps, metadata)
}

// Signer is the provider itself, to make responses by hand.
func (x *IdP) Signer() *saml.IdentityProvider { return &x.idp.IDP }

// enhanced answers a SOAP envelope with a request by one with a response.
func (x *IdP) enhanced(w http.ResponseWriter, r *http.Request) {
	user, password, ok := r.BasicAuth()
	if !ok || user != User || password != Password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	text, err := x.answer(r, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = w.Write(text)
}

func (x *IdP) answer(r *http.Request, body []byte) ([]byte, error) {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(body); err != nil {
		return nil, err
	}
	inside := etree.NewDocument()
	inside.SetRoot(doc.FindElement("//AuthnRequest").Copy())
	buffer, err := inside.WriteToBytes()
	if err != nil {
		return nil, err
	}
	req := &saml.IdpAuthnRequest{IDP: x.Signer(), HTTPRequest: r, RequestBuffer: buffer, Now: saml.TimeNow(), SPSSODescriptor: &saml.SPSSODescriptor{}}
	if err := xml.Unmarshal(buffer, &req.Request); err != nil {
		return nil, err
	}
	to := req.Request.AssertionConsumerServiceURL
	if !slices.ContainsFunc(x.sps, func(m []byte) bool { return bytes.Contains(m, []byte(`Location="`+to+`"`)) }) {
		return nil, fmt.Errorf("no service provider receives responses at %q", to)
	}
	req.ACSEndpoint = &saml.IndexedEndpoint{Location: to}
	if req.ServiceProviderMetadata, err = x.idp.GetServiceProvider(r, req.Request.Issuer.Value); err != nil {
		return nil, err
	}
	session := &saml.Session{NameID: Email, UserName: User, UserEmail: Email, UserCommonName: "Ann Example", Groups: []string{"staff", "ops"}}
	if err := (saml.DefaultAssertionMaker{}).MakeAssertion(req, session); err != nil {
		return nil, err
	}
	if err := req.MakeResponse(); err != nil {
		return nil, err
	}
	out := etree.NewDocument()
	root := out.CreateElement("soap11:Envelope")
	root.CreateAttr("xmlns:soap11", "http://schemas.xmlsoap.org/soap/envelope/")
	h := root.CreateElement("soap11:Header").CreateElement("ecp:Response")
	h.CreateAttr("xmlns:ecp", "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp")
	h.CreateAttr("AssertionConsumerServiceURL", req.ACSEndpoint.Location)
	root.CreateElement("soap11:Body").AddChild(req.ResponseEl)
	return out.WriteToBytes()
}
