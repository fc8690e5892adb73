package federation

import (
	"slices"
	"strings"
	"unicode/utf8"

	"kumoi/internal/kernel/errs"
)

// Assertion is what an identity provider says about somebody: attributes, each
// with its values.
type Assertion map[string][]string

// The attributes of an assertion that we vouch for ourselves: whose word it
// is, and what that party calls the user.
const (
	IssuerAttribute = "iss"
	RemoteUser      = "REMOTE_USER"
)

// Text refuses values that no database keeps as text.
func (a Assertion) Text() error {
	for name, values := range a {
		for _, v := range values {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return errs.New(errs.Invalid, "The attribute %q of the identity provider's assertion holds what is not text.", name)
			}
		}
	}
	return nil
}

// Vouches refuses an assertion of an issuer that the provider is not known by.
// attribute names where the assertion says it, if it is not the usual place.
func (p IdentityProvider) Vouches(attribute string, a Assertion) error {
	if attribute == "" {
		attribute = IssuerAttribute
	}
	said := a[attribute]
	if len(p.RemoteIDs) == 0 || len(said) == 1 && slices.Contains(p.RemoteIDs, said[0]) {
		return nil
	}
	return errs.New(errs.Forbidden, "Incoming identity provider identifier not included among the accepted identifiers.")
}
