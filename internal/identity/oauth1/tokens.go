package oauth1

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/identity/signature"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// The kinds and lives of OAuth1 tokens.
const (
	requestToken       = "request"
	accessToken        = "access"
	requestTokenLife   = 8 * time.Hour
	accessTokenLife    = 24 * time.Hour
	verifierCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
)

// Tokens are the use cases of OAuth1's tokens.
type Tokens struct{ s *Service }

// Request begins OAuth1: a consumer asks to act on a project.
func (f *Tokens) Request(ctx context.Context, r *Request, projectID string) (Token, error) {
	return family.Write(ctx, f.s.b.DB, func(tx *store.Tx) (Token, error) {
		if err := f.s.d.Project(ctx, tx, projectID); err != nil {
			return Token{}, err
		}
		c, err := f.s.consumerOf(ctx, tx, r)
		if err != nil {
			return Token{}, err
		}
		if err := f.s.signedBy(ctx, tx, r, c.Secret, ""); err != nil {
			return Token{}, err
		}
		t := Token{
			ID: ids.NewHex(), Kind: requestToken, Secret: ids.NewHex(), ConsumerID: c.ID, ProjectID: projectID,
			RoleIDs: []string{}, ExpiresAt: f.s.b.Now().Add(requestTokenLife),
		}
		return t, f.s.t.Tokens.Insert(ctx, tx, &t)
	})
}

// Authorize lets a user approve a request token for some of his roles.
func (f *Tokens) Authorize(ctx context.Context, id string, roles []Role) (verifier string, err error) {
	a := actor.From(ctx)
	if err := f.s.b.Check(ctx, "identity:authorize_request_token", policy.Target{}); err != nil {
		return "", err
	}
	if err := f.s.d.Person(ctx); err != nil {
		return "", err
	}
	raw := make([]byte, 8)
	rand.Read(raw)
	for i, b := range raw {
		raw[i] = verifierCharacters[int(b)%len(verifierCharacters)]
	}
	verifier = string(raw)
	return verifier, f.s.b.DB.Write(ctx, func(tx *store.Tx) error {
		t, err := family.Get(ctx, tx, f.s.t.Tokens, id)
		if err == nil && t.Kind != requestToken {
			err = errs.New(errs.NotFound, "Could not find OAuth token: %s.", id)
		}
		if err != nil {
			return err
		}
		if !f.s.b.Now().Before(t.ExpiresAt) {
			return errs.New(errs.Unauthenticated, "Request token is expired.")
		}
		held, err := f.s.d.Held(ctx, tx, a.UserID, t.ProjectID)
		if err != nil {
			return err
		}
		t.RoleIDs = nil
		for _, ref := range roles {
			i := slices.IndexFunc(held, func(r Role) bool {
				return r.ID == ref.ID || ref.ID == "" && family.FoldName(r.Name) == family.FoldName(ref.Name)
			})
			if i < 0 {
				return errs.New(errs.Unauthenticated, "The authorizing user does not have the role %s%s on the project.", ref.ID, ref.Name)
			}
			t.RoleIDs = append(t.RoleIDs, held[i].ID)
		}
		if len(t.RoleIDs) == 0 {
			return errs.New(errs.Invalid, "At least one role must be authorized.")
		}
		t.UserID, t.Verifier = a.UserID, verifier
		return f.s.t.Tokens.Update(ctx, tx, &t)
	})
}

// Access turns an approved request token into an access token.
func (f *Tokens) Access(ctx context.Context, r *Request) (Token, error) {
	return family.Write(ctx, f.s.b.DB, func(tx *store.Tx) (Token, error) {
		c, err := f.s.consumerOf(ctx, tx, r)
		if err != nil {
			return Token{}, err
		}
		req, err := family.Get(ctx, tx, f.s.t.Tokens, r.Params["oauth_token"])
		if errs.Is(err, errs.NotFound) {
			return req, family.Unauthorized("no such request token")
		}
		if err != nil {
			return req, err
		}
		if req.Kind != requestToken || req.ConsumerID != c.ID || !f.s.b.Now().Before(req.ExpiresAt) || req.UserID == "" ||
			!signature.Equal(req.Verifier, r.Params["oauth_verifier"]) {
			return req, family.Unauthorized("the request token is not approved, has expired, or is another's")
		}
		if err := f.s.signedBy(ctx, tx, r, c.Secret, req.Secret); err != nil {
			return req, err
		}
		t := req
		t.ID, t.Kind, t.Secret, t.Verifier, t.ExpiresAt = ids.NewHex(), accessToken, ids.NewHex(), "", f.s.b.Now().Add(accessTokenLife).Truncate(time.Microsecond)
		if err := f.s.t.Tokens.Delete(ctx, tx, req.ID); err != nil {
			return t, err
		}
		if err := f.s.t.Tokens.Insert(ctx, tx, &t); err != nil {
			return t, err
		}
		return t, f.s.b.Noted(ctx, tx, "access_token", family.Created, t.ID)
	})
}

// List lists the access tokens that a user has approved.
func (f *Tokens) List(ctx context.Context, userID string) ([]Token, error) {
	if err := f.s.may(ctx, "identity:list_access_tokens"); err != nil {
		return nil, err
	}
	return family.Read(ctx, f.s.b.DB, func(tx *store.Tx) ([]Token, error) {
		return family.Find(ctx, tx, f.s.t.Tokens, store.Eq("user_id", userID), store.Eq("kind", accessToken))
	})
}

func (s *Service) may(ctx context.Context, rule string) error {
	if err := s.b.Check(ctx, rule, policy.Target{}); err != nil {
		return err
	}
	return s.d.Person(ctx)
}

func (s *Service) access(ctx context.Context, tx *store.Tx, userID, id string) (Token, error) {
	t, err := family.Get(ctx, tx, s.t.Tokens, id)
	if err == nil && (t.Kind != accessToken || t.UserID != userID) {
		err = errs.New(errs.NotFound, "Could not find OAuth token: %s.", id)
	}
	return t, err
}

// Show returns an access token.
func (f *Tokens) Show(ctx context.Context, userID, id string) (*Token, error) {
	return family.One(f.show(ctx, "identity:get_access_token", userID, id))
}

func (f *Tokens) show(ctx context.Context, rule, userID, id string) (Token, error) {
	if err := f.s.may(ctx, rule); err != nil {
		return Token{}, err
	}
	return family.Read(ctx, f.s.b.DB, func(tx *store.Tx) (Token, error) { return f.s.access(ctx, tx, userID, id) })
}

// Roles lists the ids of the roles that an access token delegates.
func (f *Tokens) Roles(ctx context.Context, rule, userID, id string) ([]string, error) {
	t, err := f.show(ctx, rule, userID, id)
	return t.RoleIDs, err
}

// Delete takes an approval back; its tokens are void.
func (f *Tokens) Delete(ctx context.Context, userID, id string) error {
	if err := f.s.may(ctx, "identity:delete_access_token"); err != nil {
		return err
	}
	return f.s.b.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := f.s.access(ctx, tx, userID, id); err != nil {
			return err
		}
		if err := f.s.t.Tokens.Delete(ctx, tx, id); err != nil {
			return err
		}
		return f.s.b.Revoke(ctx, tx, AccessTag(id))
	})
}
