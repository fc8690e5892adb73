package identity

import (
	"context"
	"errors"

	"kumoi/internal/kernel/store"
)

type MappingRule struct{}
type OAuth1Auth struct{}

func (s *Service) trustPrincipal(ctx context.Context, tx *store.Tx, p *principal, id string) error {
	return errors.New("x")
}
func (s *Service) oauthPrincipal(ctx context.Context, tx *store.Tx, p *principal, id string) error {
	return errors.New("x")
}
func (s *Service) checkOAuth1(ctx context.Context, a *OAuth1Auth, p *proof) error {
	return unauthorized("x")
}
func (s *Service) checkTOTP(ctx context.Context, a *PasswordAuth) (loginUser, error) {
	return loginUser{}, unauthorized("x")
}
func (s *Service) appCredPrincipal(ctx context.Context, tx *store.Tx, p *principal, id string) error {
	return errors.New("x")
}
func (s *Service) checkAppCred(ctx context.Context, a *AppCredAuth, p *proof) error {
	return unauthorized("x")
}
func (s *Service) appCredScope(t *Token, a *AppCredential, want ScopeRequest) error { return nil }
func (s *Service) trustScope(ctx context.Context, t *Token, id string) error {
	return unauthorized("x")
}
func (s *Service) spendTrust(ctx context.Context, id string) error                   { return nil }
func (s *Service) useReceipt(ctx context.Context, r string, p *proof) error          { return unauthorized("x") }
func (s *Service) enoughMethods(ctx context.Context, r *AuthRequest, p *proof) error { return nil }
func (s *Service) verifyDirectory(ctx context.Context, u User, password string) error {
	return unauthorized("x")
}
