package identity

import (
	"encoding/json"
	"strconv"
	"strings"

	"kumoi/internal/kernel/errs"
)

// undefaulted says the type of the options that have no default to show it.
var undefaulted = map[string]any{
	"identity/list_limit": 0, "ldap/chase_referrals": false, "ldap/debug_level": 0,
}

// rightType refuses a value that an option cannot take. Numbers and flags may be
// written as text, as in a configuration file; a value is never repeated, since
// it may be a secret.
func rightType(group, option string, value any) error {
	like := domainDefaults()[group][option]
	if like == nil {
		if value == nil {
			return nil
		}
		like = undefaulted[group+"/"+option]
	}
	text, isText := value.(string)
	number, isNumber := value.(json.Number)
	if isText {
		number = json.Number(strings.TrimSpace(text))
	}
	want, ok := "", false
	switch like.(type) {
	case bool:
		want = "true or false"
		if _, ok = value.(bool); !ok && isText {
			switch strings.ToLower(strings.TrimSpace(text)) {
			case "true", "false", "yes", "no", "on", "off", "1", "0", "t", "f", "y", "n":
				ok = true
			}
		}
	case int:
		want = "a whole number"
		_, err := strconv.ParseInt(number.String(), 10, 64)
		ok = (isText || isNumber) && err == nil
	case float64:
		want = "a number"
		_, err := number.Float64()
		ok = (isText || isNumber) && err == nil
	case []any:
		want = "a list of texts"
		list, isList := value.([]any)
		ok = isList || isText
		for _, x := range list {
			if _, isText := x.(string); !isText {
				ok = false
			}
		}
	default:
		want, ok = "a text", isText
	}
	if !ok {
		return errs.New(errs.Invalid, "Invalid domain specific configuration: the option %s in group %s takes %s.", option, group, want)
	}
	return nil
}
