package schema

import (
	"slices"
	"strings"
)

// hidden stands in errors for a value that may be a secret.
const hidden = "***"

// secretName tells whether the value of an attribute may be a secret, by its name.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"passw", "passcode", "passphrase", "adminpass", "admin_pass", "secret", "private_key", "api_key", "apikey"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return slices.Contains([]string{
		"blob", "user_data", "signature", "assertion", "access_token", "refresh_token", "auth_token", "id_token", "psk", "auth_key", "code_verifier",
	}, name)
}

// secretKey tells whether what stands under a key may be a secret. Below
// "identity" the keys are methods to log in with ("password", "token"); there
// it is their attributes that are secret.
func secretKey(parent, key string, object bool) bool {
	if parent == "identity" && object {
		return false
	}
	return secretName(key) || key == "token" && !object || parent == "token" && key == "id"
}

// secret tells whether the value at a path must not be repeated in an error.
func secret(path []string) bool {
	parent := ""
	for i, key := range path {
		if secretKey(parent, key, i < len(path)-1) {
			return true
		}
		parent = key
	}
	return false
}

// redacted is a copy of a value without its secrets.
func redacted(parent string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, x := range v {
			if _, object := x.(map[string]any); secretKey(parent, key, object) {
				out[key] = hidden
			} else {
				out[key] = redacted(key, x)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = redacted(parent, x)
		}
		return out
	}
	return v
}

// EachSecret calls f with every text of a decoded JSON value that may be a secret.
func EachSecret(v any, f func(text string)) { eachSecret("", v, false, f) }

func eachSecret(parent string, v any, within bool, f func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for key, x := range v {
			_, object := x.(map[string]any)
			eachSecret(key, x, within || secretKey(parent, key, object), f)
		}
	case []any:
		for _, x := range v {
			eachSecret(parent, x, within, f)
		}
	case string:
		if within {
			f(v)
		}
	}
}
