package schema

import (
	"strings"
	"testing"
)

// A refusal never repeats what may be a secret, however the body is wrong.
func TestNoShapeShowsASecret(t *testing.T) {
	t.Parallel()
	text := Object{"type": "string", "maxLength": 3}
	s := Of(Object{"type": "object", "additionalProperties": false, "properties": Object{
		"auth": Object{"type": "object", "properties": Object{"identity": Object{
			"type": "object", "required": List{"methods"}, "properties": Object{
				"token":    Object{"type": "object", "properties": Object{"id": text}},
				"totp":     Object{"type": "object", "properties": Object{"user": Object{"type": "object", "properties": Object{"passcode": text}}}},
				"password": Object{"type": "object", "properties": Object{"user": Object{"type": "object", "properties": Object{"name": text, "password": text}}}},
			},
		}}},
		"server": Object{"type": "object", "properties": Object{
			"adminPass": text, "user_data": text, "name": text,
			"personality": Object{"type": "array", "maxItems": 0},
		}},
		"credential": Object{"type": "string"},
	}})
	for _, body := range []string{
		`{"auth":{"identity":{"methods":[],"token":{"id":"hush-hush"}}}}`,
		`{"auth":{"identity":{"methods":[],"token":"hush-hush"}}}`,
		`{"auth":{"identity":{"token":{"id":"hush"},"password":{"user":{"password":"hush"}}}}}`,
		`{"auth":{"identity":{"methods":[],"totp":{"user":{"passcode":"hush-hush"}}}}}`,
		`{"auth":{"identity":{"methods":[],"totp":{"user":[{"passcode":"hush-hush"}]}}}}`,
		`{"auth":{"identity":{"methods":[],"password":{"user":{"password":["hush-hush"]}}}}}`,
		`{"auth":[{"identity":{"password":{"user":{"password":"hush-hush"}}}}]}`,
		`{"server":{"adminPass":{"a":"hush-hush"}}}`,
		`{"server":{"user_data":"hush-hush"}}`,
		`{"server":[{"user_data":"hush-hush"}]}`,
		`{"credential":{"blob":"hush-hush"}}`,
		`{"server":{"personality":[{"client_secret":"hush-hush"}]}}`,
	} {
		err := s.ValidateJSON([]byte(body))
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", body, err)
		}
	}
	err := s.ValidateJSON([]byte(`{"auth":{"identity":{"methods":[],"password":{"user":{"name":"administrator"}}}}}`))
	if err == nil || !strings.Contains(err.Error(), `"administrator" is too long`) {
		t.Errorf("a name is no secret: %v", err)
	}
}

// The reason comes first, and what is quoted is short.
func TestReasonBeforeValue(t *testing.T) {
	t.Parallel()
	s := Of(Object{"type": "object", "additionalProperties": false, "properties": Object{"name": Object{"type": "string"}, "list": Object{"maxItems": 1}}})
	long := strings.Repeat("x", 5000)
	for _, body := range []string{
		`{"name":["` + long + `"]}`, `{"list":["` + long + `",1]}`, `{"` + long + `":1}`, `"` + long + `"`,
	} {
		err := s.ValidateJSON([]byte(body))
		if err == nil || len(err.Error()) > 400 {
			t.Errorf("%.20s: %v", body, err)
			continue
		}
		before, _, _ := strings.Cut(err.Error(), "xx")
		if !strings.Contains(before, "not of type") && !strings.Contains(before, "too long") && !strings.Contains(before, "not allowed") {
			t.Errorf("%.20s: %v", body, err)
		}
	}
}
