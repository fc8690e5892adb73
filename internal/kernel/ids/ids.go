// Package ids makes and checks identifiers: 32 hex digits for identity, UUIDs
// with dashes for everything else, as OpenStack's clients expect.
package ids

import (
	"encoding/hex"
	"strings"

	"github.com/google/uuid"
)

// New returns a random UUID with dashes.
func New() string { return uuid.NewString() }

// NewHex returns a random UUID as 32 hex digits, identity's form.
func NewHex() string {
	u := uuid.New()
	return hex.EncodeToString(u[:])
}

// Derive returns a UUID that is always the same for the same parts. Steps
// that must be repeatable name what they make with it.
func Derive(parts ...string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("kumoi:"+strings.Join(parts, "/"))).String()
}

// IsUUID tells whether s is a UUID in either form.
func IsUUID(s string) bool {
	if len(s) != 36 && len(s) != 32 {
		return false
	}
	return uuid.Validate(s) == nil
}

// NewRequest returns an OpenStack request id.
func NewRequest() string { return "req-" + uuid.NewString() }
