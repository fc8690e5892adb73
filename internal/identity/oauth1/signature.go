package oauth1

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/identity/signature"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

const clock = 10 * time.Minute // how far a signature's time may be off

// plaintextSignature is the method whose signature is the secrets themselves.
const plaintextSignature = "PLAINTEXT"

// hashes are those of the methods that sign.
var hashes = map[string]func() hash.Hash{"HMAC-SHA1": sha1.New, "HMAC-SHA256": sha256.New, "HMAC-SHA512": sha512.New}

// Request is a request signed as OAuth1 says.
type Request struct {
	Method, URL string
	Params      map[string]string // of the Authorization header
	Query       url.Values
}

// signedBy checks a request's signature, time and nonce.
func (s *Service) signedBy(ctx context.Context, tx *store.Tx, r *Request, consumerSecret, tokenSecret string) error {
	method := r.Params["oauth_signature_method"]
	key := signature.Escape(consumerSecret) + "&" + signature.Escape(tokenSecret)
	want := key
	if method != plaintextSignature {
		h, ok := hashes[method]
		if !ok {
			return family.Unauthorized("an OAuth1 signature of method " + method)
		}
		want = base64.StdEncoding.EncodeToString(signature.MAC(h, []byte(key), []byte(r.base())))
	}
	if !signature.Equal(want, r.Params["oauth_signature"]) {
		return family.Unauthorized("the OAuth1 signature is wrong")
	}
	if method == plaintextSignature && r.Params["oauth_timestamp"] == "" && r.Params["oauth_nonce"] == "" {
		return nil // which RFC 5849 (3.1) leaves to the client: there is no request to repeat in secrets
	}
	seconds, err := strconv.ParseInt(r.Params["oauth_timestamp"], 10, 64)
	if err != nil || s.b.Now().Sub(time.Unix(seconds, 0)).Abs() > clock {
		return family.Unauthorized("the time of the OAuth1 signature is too far off")
	}
	nonce := fmt.Sprintf("oauth1/%s/%d/%s", r.Params["oauth_consumer_key"], seconds, r.Params["oauth_nonce"])
	first, err := s.d.UseOnce(ctx, tx, nonce, s.b.Now().Add(2*clock))
	if err == nil && !first {
		err = family.Unauthorized("the OAuth1 request was seen before")
	}
	return err
}

// base is the text that is signed (RFC 5849, 3.4.1).
func (r *Request) base() string {
	var pairs []string
	for k, v := range r.Params {
		if k != "oauth_signature" && k != "realm" {
			pairs = append(pairs, signature.Escape(k)+"="+signature.Escape(v))
		}
	}
	for k, list := range r.Query {
		for _, v := range list {
			pairs = append(pairs, signature.Escape(k)+"="+signature.Escape(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join([]string{strings.ToUpper(r.Method), signature.Escape(r.URL), signature.Escape(strings.Join(pairs, "&"))}, "&")
}

// Check proves a request that is signed with an access token.
func (s *Service) Check(ctx context.Context, r *Request) (Token, error) {
	return family.Write(ctx, s.b.DB, func(tx *store.Tx) (Token, error) {
		c, err := s.consumerOf(ctx, tx, r)
		if err != nil {
			return Token{}, err
		}
		t, err := family.Get(ctx, tx, s.t.Tokens, r.Params["oauth_token"])
		if errs.Is(err, errs.NotFound) {
			return t, family.Unauthorized("no such access token")
		}
		if err != nil {
			return t, err
		}
		if t.Kind != accessToken || t.ConsumerID != c.ID || !s.b.Now().Before(t.ExpiresAt) {
			return t, family.Unauthorized("the access token has expired or is another's")
		}
		return t, s.signedBy(ctx, tx, r, c.Secret, t.Secret)
	})
}

func (s *Service) consumerOf(ctx context.Context, tx *store.Tx, r *Request) (Consumer, error) {
	c, err := family.Get(ctx, tx, s.t.Consumers, r.Params["oauth_consumer_key"])
	if errs.Is(err, errs.NotFound) {
		err = family.Unauthorized("no such consumer")
	}
	return c, err
}
