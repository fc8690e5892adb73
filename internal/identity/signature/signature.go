// Package signature is what ways to sign a request share: codes, how they are
// compared, and how texts are encoded before.
package signature

import (
	"crypto/hmac"
	"crypto/subtle"
	"hash"
	"net/url"
	"strings"
)

// Equal compares secrets in a time that does not tell where they differ.
func Equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// MAC is the code of a text under a key.
func MAC(h func() hash.Hash, key, text []byte) []byte {
	m := hmac.New(h, key)
	m.Write(text)
	return m.Sum(nil)
}

// Escape is percent-encoding as AWS and OAuth1 want it.
func Escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
