package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // OAuth1's HMAC-SHA1
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

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// The kinds and lives of OAuth1 tokens.
const (
	oauthRequest       = "request"
	oauthAccess        = "access"
	requestTokenLife   = 8 * time.Hour
	accessTokenLife    = 24 * time.Hour
	oauthClock         = 10 * time.Minute // how far a signature's time may be off
	verifierCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
)

// plaintextSignature is the method whose signature is the secrets themselves.
const plaintextSignature = "PLAINTEXT"

// oauthHashes are those of the methods that sign.
var oauthHashes = map[string]func() hash.Hash{"HMAC-SHA1": sha1.New, "HMAC-SHA256": sha256.New, "HMAC-SHA512": sha512.New}

// OAuth1Auth is a request signed as OAuth1 says.
type OAuth1Auth struct {
	Method, URL string
	Params      map[string]string // of the Authorization header
	Query       url.Values
}

func (s *Service) consumers() *Family[Consumer] {
	return &Family[Consumer]{
		s: s, table: s.store.Consumers, noun: "consumer", plural: "consumers",
		id: func(v *Consumer) *string { return &v.ID },
		valid: func(_ context.Context, _ *store.Tx, v, before *Consumer) error {
			if before == nil {
				v.Secret = ids.NewHex()
			} else if v.Secret != before.Secret {
				return errs.New(errs.Invalid, "A consumer's secret cannot be changed.")
			}
			return nil
		},
		gone: func(ctx context.Context, tx *store.Tx, v *Consumer) error {
			tokens, err := s.store.OAuthTokens.All(ctx, tx, store.Eq("consumer_id", v.ID), store.Eq("kind", oauthAccess))
			if err != nil {
				return err
			}
			for _, t := range tokens {
				if err := s.revoke(ctx, tx, accessTag(t.ID)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// signedBy checks a request's signature, time and nonce.
func (s *Service) signedBy(ctx context.Context, tx *store.Tx, r *OAuth1Auth, consumerSecret, tokenSecret string) error {
	method := r.Params["oauth_signature_method"]
	key := escape(consumerSecret) + "&" + escape(tokenSecret)
	want := key
	if method != plaintextSignature {
		h, ok := oauthHashes[method]
		if !ok {
			return unauthorized("an OAuth1 signature of method " + method)
		}
		want = base64.StdEncoding.EncodeToString(macOf(h, []byte(key), []byte(r.base())))
	}
	if !equalText(want, r.Params["oauth_signature"]) {
		return unauthorized("the OAuth1 signature is wrong")
	}
	if method == plaintextSignature && r.Params["oauth_timestamp"] == "" && r.Params["oauth_nonce"] == "" {
		return nil // which RFC 5849 (3.1) leaves to the client: there is no request to repeat in secrets
	}
	seconds, err := strconv.ParseInt(r.Params["oauth_timestamp"], 10, 64)
	if err != nil || s.now().Sub(time.Unix(seconds, 0)).Abs() > oauthClock {
		return unauthorized("the time of the OAuth1 signature is too far off")
	}
	nonce := fmt.Sprintf("oauth1/%s/%d/%s", r.Params["oauth_consumer_key"], seconds, r.Params["oauth_nonce"])
	first, err := s.store.Users.UseOnce(ctx, tx, nonce, s.now().Add(2*oauthClock))
	if err == nil && !first {
		err = unauthorized("the OAuth1 request was seen before")
	}
	return err
}

// base is the text that is signed (RFC 5849, 3.4.1).
func (r *OAuth1Auth) base() string {
	var pairs []string
	for k, v := range r.Params {
		if k != "oauth_signature" && k != "realm" {
			pairs = append(pairs, escape(k)+"="+escape(v))
		}
	}
	for k, list := range r.Query {
		for _, v := range list {
			pairs = append(pairs, escape(k)+"="+escape(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join([]string{strings.ToUpper(r.Method), escape(r.URL), escape(strings.Join(pairs, "&"))}, "&")
}

func (s *Service) consumerOf(ctx context.Context, tx *store.Tx, r *OAuth1Auth) (Consumer, error) {
	c, err := get(ctx, tx, s.store.Consumers, r.Params["oauth_consumer_key"])
	if errs.Is(err, errs.NotFound) {
		err = unauthorized("no such consumer")
	}
	return c, err
}

// Request begins OAuth1: a consumer asks to act on a project.
func (f *OAuthTokens) Request(ctx context.Context, r *OAuth1Auth, projectID string) (OAuthToken, error) {
	return write(ctx, f.s, func(tx *store.Tx) (OAuthToken, error) {
		if _, err := get(ctx, tx, f.s.store.Projects.Table, projectID); err != nil {
			return OAuthToken{}, err
		}
		c, err := f.s.consumerOf(ctx, tx, r)
		if err != nil {
			return OAuthToken{}, err
		}
		if err := f.s.signedBy(ctx, tx, r, c.Secret, ""); err != nil {
			return OAuthToken{}, err
		}
		t := OAuthToken{
			ID: ids.NewHex(), Kind: oauthRequest, Secret: ids.NewHex(), ConsumerID: c.ID, ProjectID: projectID,
			RoleIDs: []string{}, ExpiresAt: f.s.now().Add(requestTokenLife),
		}
		return t, f.s.store.OAuthTokens.Insert(ctx, tx, &t)
	})
}

// Authorize lets a user approve a request token for some of his roles.
func (f *OAuthTokens) Authorize(ctx context.Context, id string, roles []Ref) (verifier string, err error) {
	a := actor.From(ctx)
	if err := f.s.check(ctx, "identity:authorize_request_token", policy.Target{}); err != nil {
		return "", err
	}
	if err := proves(a, "OAuth1 tokens"); err != nil {
		return "", err
	}
	raw := make([]byte, 8)
	rand.Read(raw)
	for i, b := range raw {
		raw[i] = verifierCharacters[int(b)%len(verifierCharacters)]
	}
	verifier = string(raw)
	return verifier, f.s.db.Write(ctx, func(tx *store.Tx) error {
		t, err := get(ctx, tx, f.s.store.OAuthTokens, id)
		if err == nil && t.Kind != oauthRequest {
			err = errs.New(errs.NotFound, "Could not find OAuth token: %s.", id)
		}
		if err != nil {
			return err
		}
		if !f.s.now().Before(t.ExpiresAt) {
			return errs.New(errs.Unauthenticated, "Request token is expired.")
		}
		p, err := get(ctx, tx, f.s.store.Projects.Table, t.ProjectID)
		if err != nil {
			return err
		}
		held, err := f.s.trustorRoles(ctx, tx, a.UserID, p)
		if err != nil {
			return err
		}
		t.RoleIDs = nil
		for _, ref := range roles {
			i := slices.IndexFunc(held, func(r Role) bool { return r.ID == ref.ID || ref.ID == "" && FoldName(r.Name) == FoldName(ref.Name) })
			if i < 0 {
				return errs.New(errs.Unauthenticated, "The authorizing user does not have the role %s%s on the project.", ref.ID, ref.Name)
			}
			t.RoleIDs = append(t.RoleIDs, held[i].ID)
		}
		if len(t.RoleIDs) == 0 {
			return errs.New(errs.Invalid, "At least one role must be authorized.")
		}
		t.UserID, t.Verifier = a.UserID, verifier
		return f.s.store.OAuthTokens.Update(ctx, tx, &t)
	})
}

// Access turns an approved request token into an access token.
func (f *OAuthTokens) Access(ctx context.Context, r *OAuth1Auth) (OAuthToken, error) {
	return write(ctx, f.s, func(tx *store.Tx) (OAuthToken, error) {
		c, err := f.s.consumerOf(ctx, tx, r)
		if err != nil {
			return OAuthToken{}, err
		}
		req, err := get(ctx, tx, f.s.store.OAuthTokens, r.Params["oauth_token"])
		if errs.Is(err, errs.NotFound) {
			return req, unauthorized("no such request token")
		}
		if err != nil {
			return req, err
		}
		if req.Kind != oauthRequest || req.ConsumerID != c.ID || !f.s.now().Before(req.ExpiresAt) || req.UserID == "" ||
			!equalText(req.Verifier, r.Params["oauth_verifier"]) {
			return req, unauthorized("the request token is not approved, has expired, or is another's")
		}
		if err := f.s.signedBy(ctx, tx, r, c.Secret, req.Secret); err != nil {
			return req, err
		}
		t := req
		t.ID, t.Kind, t.Secret, t.Verifier, t.ExpiresAt = ids.NewHex(), oauthAccess, ids.NewHex(), "", f.s.now().Add(accessTokenLife).Truncate(time.Microsecond)
		if err := f.s.store.OAuthTokens.Delete(ctx, tx, req.ID); err != nil {
			return t, err
		}
		if err := f.s.store.OAuthTokens.Insert(ctx, tx, &t); err != nil {
			return t, err
		}
		return t, f.s.noted(ctx, tx, "access_token", created, t.ID)
	})
}

// List lists the access tokens that a user has approved.
func (f *OAuthTokens) List(ctx context.Context, userID string) ([]OAuthToken, error) {
	if err := f.s.mayOAuth(ctx, "identity:list_access_tokens"); err != nil {
		return nil, err
	}
	return read(ctx, f.s, func(tx *store.Tx) ([]OAuthToken, error) {
		return find(ctx, tx, f.s.store.OAuthTokens, store.Eq("user_id", userID), store.Eq("kind", oauthAccess))
	})
}

func (s *Service) mayOAuth(ctx context.Context, rule string) error {
	if err := s.check(ctx, rule, policy.Target{}); err != nil {
		return err
	}
	return proves(actor.From(ctx), "OAuth1 tokens")
}

func (s *Service) accessToken(ctx context.Context, tx *store.Tx, userID, id string) (OAuthToken, error) {
	t, err := get(ctx, tx, s.store.OAuthTokens, id)
	if err == nil && (t.Kind != oauthAccess || t.UserID != userID) {
		err = errs.New(errs.NotFound, "Could not find OAuth token: %s.", id)
	}
	return t, err
}

// Show returns an access token.
func (f *OAuthTokens) Show(ctx context.Context, userID, id string) (*OAuthToken, error) {
	if err := f.s.mayOAuth(ctx, "identity:get_access_token"); err != nil {
		return nil, err
	}
	return one(read(ctx, f.s, func(tx *store.Tx) (OAuthToken, error) { return f.s.accessToken(ctx, tx, userID, id) }))
}

// Roles lists the roles that an access token delegates.
func (f *OAuthTokens) Roles(ctx context.Context, rule, userID, id string) ([]Role, error) {
	if err := f.s.mayOAuth(ctx, rule); err != nil {
		return nil, err
	}
	return read(ctx, f.s, func(tx *store.Tx) ([]Role, error) {
		t, err := f.s.accessToken(ctx, tx, userID, id)
		if err != nil {
			return nil, err
		}
		return find(ctx, tx, f.s.store.Roles.Table, store.In("id", t.RoleIDs))
	})
}

// Delete takes an approval back; its tokens are void.
func (f *OAuthTokens) Delete(ctx context.Context, userID, id string) error {
	if err := f.s.mayOAuth(ctx, "identity:delete_access_token"); err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := f.s.accessToken(ctx, tx, userID, id); err != nil {
			return err
		}
		if err := f.s.store.OAuthTokens.Delete(ctx, tx, id); err != nil {
			return err
		}
		return f.s.revoke(ctx, tx, accessTag(id))
	})
}

// checkOAuth1 proves a request signed with an access token.
func (s *Service) checkOAuth1(ctx context.Context, r *OAuth1Auth, p *proof) error {
	t, err := write(ctx, s, func(tx *store.Tx) (OAuthToken, error) {
		c, err := s.consumerOf(ctx, tx, r)
		if err != nil {
			return OAuthToken{}, err
		}
		t, err := get(ctx, tx, s.store.OAuthTokens, r.Params["oauth_token"])
		if errs.Is(err, errs.NotFound) {
			return t, unauthorized("no such access token")
		}
		if err != nil {
			return t, err
		}
		if t.Kind != oauthAccess || t.ConsumerID != c.ID || !s.now().Before(t.ExpiresAt) {
			return t, unauthorized("the access token has expired or is another's")
		}
		return t, s.signedBy(ctx, tx, r, c.Secret, t.Secret)
	})
	if err != nil {
		return err
	}
	p.oauth = &t
	p.user, err = s.loginUser(ctx, t.UserID)
	return err
}

// oauthPrincipal gives a token the roles of its access token that the user
// still has.
func (s *Service) oauthPrincipal(ctx context.Context, tx *store.Tx, p *principal, id string) error {
	t, err := get(ctx, tx, s.store.OAuthTokens, id)
	if err != nil {
		return err
	}
	if t.UserID != p.User.ID || t.ProjectID != p.Project.ID || !s.now().Before(t.ExpiresAt) {
		return denied("The OAuth1 token %s is not for this user and project.", id)
	}
	held, err := s.rolesOnProject(ctx, tx, p.User.ID, p.GroupIDs, *p.Project)
	if err != nil {
		return err
	}
	p.Roles = slices.DeleteFunc(held, func(r Role) bool { return !slices.Contains(t.RoleIDs, r.ID) })
	p.AccessToken = &t
	p.tags = append(p.tags, accessTag(id), consumerTag(t.ConsumerID))
	return nil
}
