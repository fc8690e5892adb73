package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
)

// Receipt says that some of the methods a user needs have succeeded; with it
// the others can follow in a second request.
type Receipt struct {
	Text      string
	User      User
	Domain    Project
	Methods   []string
	Required  [][]string
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// MoreMethods is the error of a login that was right but not enough.
type MoreMethods struct{ Receipt Receipt }

func (e *MoreMethods) Error() string { return "more authentication methods are required" }

// rulesOf reads a user's multi-factor rules: lists of methods, one of which
// must be complete.
func rulesOf(u User) [][]string {
	if !isTrue(u.Options["multi_factor_auth_enabled"]) {
		return nil
	}
	list, _ := u.Options["multi_factor_auth_rules"].([]any)
	var out [][]string
	for _, r := range list {
		var rule []string
		methods, _ := r.([]any)
		for _, m := range methods {
			if name, ok := m.(string); ok {
				rule = append(rule, name)
			}
		}
		if len(rule) > 0 {
			out = append(out, rule)
		}
	}
	return out
}

// enoughMethods holds a user's multi-factor rules. Application credentials are
// a factor by themselves, and a token stands for the methods it came from.
func (s *Service) enoughMethods(ctx context.Context, r *AuthRequest, p *proof) error {
	rules := rulesOf(p.user.user)
	if len(rules) == 0 || p.appCred != nil || p.oauth != nil || slices.Contains(r.Methods, TokenMethod) {
		return nil
	}
	for _, rule := range rules {
		if !slices.ContainsFunc(rule, func(m string) bool { return !slices.Contains(p.methods, m) }) {
			return nil
		}
	}
	now := s.now().Truncate(time.Microsecond)
	t := Token{UserID: p.user.user.ID, Methods: p.methods, IssuedAt: now, ExpiresAt: now.Add(s.cfg.ReceiptTTL)}
	text, err := s.sealer.seal(ctx, tokenKey, "receipt", t.encode())
	if err != nil {
		return err
	}
	more := &MoreMethods{Receipt{
		Text: text, User: p.user.user, Domain: p.user.domain, Methods: p.methods, Required: rules, IssuedAt: now, ExpiresAt: t.ExpiresAt,
	}}
	return errs.Wrap(errs.Unauthenticated, more, "Additional authentications steps required.")
}

// useReceipt takes in what a receipt proves.
func (s *Service) useReceipt(ctx context.Context, text string, p *proof) error {
	b, err := s.sealer.open(ctx, tokenKey, "receipt", text)
	if err != nil {
		if errors.Is(err, errSeal) || errors.Is(err, errNoKey) {
			return family.Unauthorized("the receipt is not ours")
		}
		return err
	}
	t, err := decodeToken(b)
	if err != nil || !s.now().Before(t.ExpiresAt) || s.revoked.revoked(t.IssuedAt, []string{userTag(t.UserID)}) {
		return family.Unauthorized("the receipt has expired")
	}
	if p.user, err = s.loginUser(ctx, t.UserID); err != nil {
		return err
	}
	p.methods = t.Methods
	return nil
}
