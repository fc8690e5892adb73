package identity

import (
	"context"
	"crypto/sha1" //nolint:gosec // what the old S3 and EC2 signatures are made of
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net"
	"slices"
	"strings"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/identity/oauth1"
	"kumoi/internal/identity/signature"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// SignedRequest is a request signed with an EC2 key pair, as a service that
// received it passes it on.
type SignedRequest struct {
	Access, Signature string
	Token             string            // S3: the text that was signed, base64
	Host, Verb, Path  string            // EC2
	Params, Headers   map[string]string // headers by their names in lower case
	BodyHash          string
}

const (
	signatureLife = 15 * time.Minute
	signatureSkew = 5 * time.Minute // how far a signer's clock may be ahead
)

// EC2Token gives the token of whoever signed an EC2 request.
func (f *Signatures) EC2Token(ctx context.Context, r SignedRequest) (*Issued, error) {
	return f.login(ctx, "identity:ec2tokens_validate", r, verifyEC2)
}

// S3Token gives the token of whoever signed an S3 request.
func (f *Signatures) S3Token(ctx context.Context, r SignedRequest) (*Issued, error) {
	return f.login(ctx, "identity:s3tokens_validate", r, verifyS3)
}

func (f *Signatures) login(ctx context.Context, rule string, r SignedRequest, verify func(secret string, r SignedRequest) bool) (*Issued, error) {
	issued, err := f.token(ctx, rule, r, verify)
	return issued, f.s.auditLogin(ctx, AuthRequest{Methods: []string{EC2Method}, claimed: Ref{Name: "access key " + r.Access}}, issued, err)
}

func (f *Signatures) token(ctx context.Context, rule string, r SignedRequest, verify func(secret string, r SignedRequest) bool) (*Issued, error) {
	if err := f.s.check(ctx, rule, policy.Target{}); err != nil {
		return nil, err
	}
	c, err := family.Read(ctx, f.s.db, func(tx *store.Tx) (Credential, error) {
		return family.Get(ctx, tx, f.s.store.Credentials, EC2ID(r.Access))
	})
	if errs.Is(err, errs.NotFound) || err == nil && !isEC2(c.Type) {
		return nil, family.Unauthorized("no such access key")
	}
	if err != nil {
		return nil, err
	}
	if c, err = f.s.Credentials.open(ctx, c); err != nil {
		return nil, err
	}
	blob, err := parseEC2(c.Blob)
	if err != nil {
		return nil, err
	}
	if r.Signature == "" || blob.Secret == "" || !verify(blob.Secret, r) {
		return nil, family.Unauthorized("the signature does not fit the access key")
	}
	if err := f.notStale(r); err != nil {
		return nil, err
	}
	return f.issue(ctx, c, blob)
}

// notStale refuses a signature that was made too long ago; one that carries no
// time was meant to last.
func (f *Signatures) notStale(r SignedRequest) error {
	text := r.signedDate()
	if text == "" {
		return nil
	}
	for _, layout := range []string{"20060102T150405Z", time.RFC3339Nano, "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			switch age := f.s.now().Sub(at); {
			case age > signatureLife:
				return family.Unauthorized("the signature has expired")
			case age < -signatureSkew:
				return family.Unauthorized("the signature is of the future")
			}
			return nil
		}
	}
	return family.Unauthorized("the time of the signature cannot be read")
}

// issue makes the token: that of the delegation the key pair was made with,
// or the user's own for the project.
func (f *Signatures) issue(ctx context.Context, c Credential, b ec2Blob) (*Issued, error) {
	p := &proof{methods: []string{EC2Method}}
	user, want := c.UserID, ScopeRequest{Project: &Ref{ID: c.ProjectID}}
	switch {
	case b.TrustID != "":
		t, err := family.Read(ctx, f.s.db, func(tx *store.Tx) (Trust, error) { return family.Get(ctx, tx, f.s.store.Trusts, b.TrustID) })
		if err != nil {
			return nil, gone(err)
		}
		user, want = t.TrusteeUserID, ScopeRequest{TrustID: b.TrustID}
	case b.AppCredID != "":
		a, err := family.Read(ctx, f.s.db, func(tx *store.Tx) (AppCredential, error) {
			return family.Get(ctx, tx, f.s.store.AppCredentials, b.AppCredID)
		})
		if err != nil {
			return nil, gone(err)
		}
		if a.ProjectID != c.ProjectID || a.UserID != c.UserID || !a.ExpiresAt.IsZero() && !f.s.now().Before(a.ExpiresAt) {
			return nil, family.Unauthorized("the application credential behind the access key does not allow this")
		}
		p.appCred, want = &a, ScopeRequest{}
	case b.AccessTokenID != "":
		o, err := family.Read(ctx, f.s.db, func(tx *store.Tx) (oauth1.Token, error) {
			return family.Get(ctx, tx, f.s.store.OAuth1.Tokens, b.AccessTokenID)
		})
		if err != nil {
			return nil, gone(err)
		}
		if o.ProjectID != c.ProjectID {
			return nil, family.Unauthorized("the OAuth1 token behind the access key is for another project")
		}
		p.oauth = &o
	}
	var err error
	if p.user, err = f.s.loginUser(ctx, user); err != nil {
		return nil, err
	}
	return f.s.issue(ctx, p, want)
}

// signedDate is the time that the signature covers, so that no other can stand
// in for it: that of version 4 or that of the older ones. Of a text signed for S3,
// which the service looked at, the header beside it counts.
func (r SignedRequest) signedDate() string {
	header, query := r.Headers["x-amz-date"], r.Params["X-Amz-Date"]
	switch {
	case slices.Contains([]string{"0", "1", "2"}, r.Params["SignatureVersion"]) && r.Token == "":
		return r.Params["Timestamp"]
	case header != "":
		return header
	case query != "":
		return query
	}
	return r.Params["Timestamp"]
}

// verifyS3 checks a signature over a text that the service made of the request.
func verifyS3(secret string, r SignedRequest) bool {
	text, err := base64.URLEncoding.DecodeString(r.Token)
	if err != nil {
		if text, err = base64.StdEncoding.DecodeString(r.Token); err != nil {
			return false
		}
	}
	if !strings.HasPrefix(string(text), "AWS4") {
		return signature.Equal(base64.StdEncoding.EncodeToString(signature.MAC(sha1.New, []byte(secret), text)), r.Signature)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != 4 || lines[0] != "AWS4-HMAC-SHA256" {
		return false
	}
	scope := strings.Split(lines[2], "/")
	if len(scope) != 4 || scope[3] != "aws4_request" || !slices.Contains([]string{"s3", "iam", "sts"}, scope[2]) {
		return false
	}
	return signature.Equal(hex.EncodeToString(signature.MAC(sha256.New, v4Key(secret, scope), text)), r.Signature)
}

func v4Key(secret string, scope []string) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range scope {
		key = signature.MAC(sha256.New, key, []byte(part))
	}
	return key
}

// verifyEC2 checks a signature of version 0, 1, 2 or 4 over the request
// itself, also without the port, which some clients leave out.
func verifyEC2(secret string, r SignedRequest) bool {
	if ec2Signature(secret, r) == "" {
		return false
	}
	if signature.Equal(ec2Signature(secret, r), r.Signature) {
		return true
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		return false
	}
	r.Host = host
	return signature.Equal(ec2Signature(secret, r), r.Signature)
}

func ec2Signature(secret string, r SignedRequest) string {
	b64 := base64.StdEncoding.EncodeToString
	switch {
	case r.Params["SignatureVersion"] == "0":
		return b64(signature.MAC(sha1.New, []byte(secret), []byte(r.Params["Action"]+r.Params["Timestamp"])))
	case r.Params["SignatureVersion"] == "1":
		keys := sortedKeys(r.Params)
		slices.SortFunc(keys, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
		var text strings.Builder
		for _, k := range keys {
			text.WriteString(k + r.Params[k])
		}
		return b64(signature.MAC(sha1.New, []byte(secret), []byte(text.String())))
	case r.Params["SignatureVersion"] == "2":
		h := sha256.New
		if r.Params["SignatureMethod"] == "HmacSHA1" {
			h = sha1.New
		}
		text := r.Verb + "\n" + r.Host + "\n" + r.Path + "\n" + canonicalQuery(r.Params, "Signature")
		return b64(signature.MAC(h, []byte(secret), []byte(text)))
	}
	return ec2SignatureV4(secret, r)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func canonicalQuery(params map[string]string, without string) string {
	var parts []string
	for _, k := range sortedKeys(params) {
		if k != without {
			parts = append(parts, signature.Escape(k)+"="+signature.Escape(params[k]))
		}
	}
	return strings.Join(parts, "&")
}

func ec2SignatureV4(secret string, r SignedRequest) string {
	headers := map[string]string{}
	for k, v := range r.Headers {
		headers[k] = strings.TrimSpace(v)
	}
	credential, signed := r.Params["X-Amz-Credential"], r.Params["X-Amz-SignedHeaders"]
	inQuery := credential != ""
	if auth, ok := headers["authorization"]; ok && !inQuery {
		for part := range strings.SplitSeq(strings.TrimPrefix(auth, "AWS4-HMAC-SHA256 "), ",") {
			k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
			switch k {
			case "Credential":
				credential = v
			case "SignedHeaders":
				signed = v
			}
		}
	}
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || signed == "" {
		return ""
	}
	date := headers["x-amz-date"]
	if date == "" {
		date = r.Params["X-Amz-Date"]
	}
	var canonical strings.Builder
	for name := range strings.SplitSeq(signed, ";") {
		v := headers[name]
		if name == "host" {
			v = r.Host
		}
		canonical.WriteString(name + ":" + v + "\n")
	}
	params := r.Params
	if !inQuery {
		params = map[string]string{}
		for k, v := range r.Params {
			params[k] = v
		}
	}
	request := strings.Join([]string{r.Verb, r.Path, canonicalQuery(params, "X-Amz-Signature"), canonical.String(), signed, r.BodyHash}, "\n")
	sum := sha256.Sum256([]byte(request))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", date, strings.Join(scope[1:], "/"), hex.EncodeToString(sum[:])}, "\n")
	return hex.EncodeToString(signature.MAC(sha256.New, v4Key(secret, scope[1:]), []byte(text)))
}
