package identity

import (
	"context"
	"slices"

	"kumoi/internal/identity/family"
	"kumoi/internal/identity/oauth1"
	"kumoi/internal/kernel/store"
)

// checkOAuth1 proves a request signed with an access token.
func (s *Service) checkOAuth1(ctx context.Context, r *oauth1.Request, p *proof) error {
	t, err := s.OAuth1.Check(ctx, r)
	if err != nil {
		return err
	}
	p.oauth = &t
	p.user, err = s.loginUser(ctx, t.UserID)
	return err
}

// accessToken gives a token the roles of its access token that the user
// still has.
func (f *resolver) accessToken(ctx context.Context, tx *store.Tx, p *principal, id string) error {
	t, err := family.Get(ctx, tx, f.s.store.OAuth1.Tokens, id)
	if err != nil {
		return err
	}
	if t.UserID != p.User.ID || t.ProjectID != p.Project.ID || !f.s.now().Before(t.ExpiresAt) {
		return denied("The OAuth1 token %s is not for this user and project.", id)
	}
	held, err := f.rolesOnProject(ctx, tx, p.User.ID, p.GroupIDs, *p.Project)
	if err != nil {
		return err
	}
	p.Roles = slices.DeleteFunc(held, func(r Role) bool { return !slices.Contains(t.RoleIDs, r.ID) })
	p.AccessToken = &t
	p.tags = append(p.tags, oauth1.AccessTag(id), oauth1.ConsumerTag(t.ConsumerID))
	return nil
}
