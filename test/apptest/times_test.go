package apptest

import (
	"net/url"
	"testing"
)

// Every service takes every form of time that OpenStack's parser takes.
func TestFormsOfTime(t *testing.T) {
	t.Parallel()
	c := New(t)
	token := c.Admin().Provider.TokenID
	for _, filter := range []string{
		"/compute/v2.1/servers?changes-since=", "/compute/v2.1/os-simple-tenant-usage?end=", "/network/v2.0/networks?changed_since=",
		"/image/v2/images?updated_at=gte:", "/identity/v3/users?password_expires_at=lt:",
	} {
		for form, want := range map[string]int{
			"2026-11-30": 200, "2026-11-30T00:00Z": 200, "20261130T000000Z": 200, "2026-11-30 00:00:00": 200, "2026-11-30T00:00:00.123456": 200,
			"2026-11-30T00:00:00+01:00": 200, "2026-11-30T00:00:00-0100": 200, "2026-11-30T00:00:00,5Z": 200, "yesterday": 400, "2026-13-01": 400,
		} {
			if status, _, body := c.ask("GET", filter+url.QueryEscape(form), token, ""); status != want {
				t.Errorf("%s%s: %d %.200s", filter, form, status, body)
			}
		}
		// A plus that was not escaped.
		if status, _, body := c.ask("GET", filter+"2026-11-30T00:00:00+01:00", token, ""); status != 200 {
			t.Errorf("%s with a bare plus: %d %.200s", filter, status, body)
		}
	}
}
