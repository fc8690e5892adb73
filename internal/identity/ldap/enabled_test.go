package ldap

import (
	"encoding/json"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// Whom the directory disables is disabled here, however it says so.
func TestEnabled(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		value        string
		invert, mask any
		fallback     any
		enabled      bool
	}{
		{value: "TRUE", enabled: true},
		{value: "FALSE"},
		{value: "false"},
		{value: "False"},
		{value: "", fallback: "True", enabled: true},
		{value: "", fallback: "False"},
		{value: "FALSE", invert: true, enabled: true},
		{value: "TRUE", invert: "True"},
		{value: "512", mask: json.Number("2"), enabled: true}, // Active Directory's bit of disabled accounts
		{value: "514", mask: json.Number("2")},
		{value: "514", mask: "2", invert: true}, // as in Keystone
	} {
		o := options{"user_enabled_attribute": "on", "user_enabled_default": tc.fallback, "user_enabled_invert": tc.invert, "user_enabled_mask": tc.mask}
		attrs := map[string][]string{}
		if tc.value != "" {
			attrs["on"] = []string{tc.value}
		}
		if got := o.enabled(ldap.NewEntry("cn=x", attrs)); got != tc.enabled {
			t.Errorf("%q, inverted %v, mask %v: %v", tc.value, tc.invert, tc.mask, got)
		}
	}
}
