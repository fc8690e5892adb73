package api

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/netip"
	"strings"
	"unicode"

	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
)

// Pieces of Nova's schemas that many bodies share.
type (
	object = schema.Object
	list   = schema.List
)

// perVersion is a schema that depends on the microversion.
func perVersion(build func(minor int) schema.Object) *rest.Schema {
	return rest.PerVersion(build, formats)
}

// fixed is a schema that all versions share.
func fixed(o schema.Object) *rest.Schema { return perVersion(func(int) schema.Object { return o }) }

func strict(required list, properties object) object {
	o := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

// wrapped is {key: of}.
func wrapped(key string, of object) object { return strict(list{key}, object{key: of}) }

// merged returns properties and more.
func merged(properties, more object) object {
	out := maps.Clone(properties)
	maps.Copy(out, more)
	return out
}

var (
	anything    = object{}
	nameType    = object{"type": "string", "minLength": 1, "maxLength": 255, "format": "name"}
	hostType    = object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": `^[a-zA-Z0-9\-._]*$`}
	fqdnType    = object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": `^[a-zA-Z0-9\-._]*$`, "format": "fqdn"}
	labelType   = object{"type": "string", "minLength": 2, "maxLength": 63, "pattern": `^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$`}
	uuidType    = object{"type": "string", "format": "uuid"}
	boolType    = object{"type": list{"boolean", "string"}, "enum": list{true, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t", false, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f"}}
	descType    = object{"type": list{"string", "null"}, "minLength": 0, "maxLength": 255, "format": "printable"}
	metaKey     = object{"minLength": 1, "maxLength": 255, "pattern": `^[a-zA-Z0-9-_:. ]{1,255}$`}
	metaType    = object{"type": "object", "propertyNames": metaKey, "additionalProperties": object{"type": "string", "maxLength": 255}}
	passType    = object{"type": "string"}
	diskConfig  = object{"type": "string", "enum": list{"AUTO", "MANUAL"}}
	ipv4Type    = object{"type": "string", "format": "ipv4-or-empty"}
	ipv6Type    = object{"type": "string", "format": "ipv6-or-empty"}
	anyIP       = object{"type": "string", "format": "ip"}
	tagType     = object{"type": "string", "minLength": 1, "maxLength": 60, "pattern": `^[^,/]*$`}
	userData    = object{"type": "string", "format": "base64", "maxLength": 65535}
	projectType = object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": `^[a-zA-Z0-9-]*$`}
	certsType   = object{"anyOf": list{object{"type": "null"}, object{"type": "array", "minItems": 1, "maxItems": 50, "uniqueItems": true, "items": object{"type": "string", "minLength": 1}}}}
	filesType   = object{"type": "array", "items": strict(nil, object{"path": object{"type": "string"}, "contents": object{"type": "string", "format": "base64"}})}
)

// whole is an integer, or digits, in a range; top < 0 means none.
func whole(least, top int64) object {
	n := object{"type": "integer", "minimum": least}
	if top >= 0 {
		n["maximum"] = top
	}
	return object{"anyOf": list{n, object{"type": "string", "pattern": "^-?[0-9]+$", "minLength": 1, "format": formatOfRange(least, top)}}}
}

func formatOfRange(least, top int64) string {
	switch {
	case top == 0x7fffffff && least == 0:
		return "natural"
	case top == 0x7fffffff && least == 1:
		return "positive"
	case top == 0x7fffffff && least == -1:
		return "limit"
	case least >= 1:
		return "positive"
	}
	return "natural"
}

func digits(least int) func(string) error {
	return func(text string) error {
		neg := strings.HasPrefix(text, "-")
		text = strings.TrimLeft(strings.TrimPrefix(text, "-"), "0")
		switch {
		case len(text) > 10 || len(text) == 10 && text > "2147483647":
			return errors.New("too large")
		case neg && text != "" && (least >= 0 || text != "1"), least == 1 && text == "":
			return errors.New("too small")
		}
		return nil
	}
}

func nullable(o object) object {
	return object{"anyOf": list{o, object{"type": "null"}}}
}

// formats are the checks that JSON Schema itself cannot say.
func formats(s *schema.Schema) *schema.Schema {
	notBlank := func(text string) error {
		if text != strings.TrimSpace(text) {
			return errors.New("leading or trailing blanks")
		}
		for _, r := range text {
			if !unicode.IsPrint(r) && r != ' ' && !unicode.IsSpace(r) || r == '\n' || r == '\t' || r == '\r' {
				return errors.New("unprintable")
			}
		}
		return nil
	}
	ip := func(v4, v6, empty bool) func(string) error {
		return func(text string) error {
			if text == "" && empty {
				return nil
			}
			a, err := netip.ParseAddr(text)
			if err != nil || a.Is4() && !v4 || a.Is6() && !v6 {
				return errors.New("no such address")
			}
			return nil
		}
	}
	return s.WithFormat("name", notBlank).
		WithFormat("printable", func(text string) error {
			for _, r := range text {
				if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
					return errors.New("unprintable")
				}
			}
			return nil
		}).
		WithFormat("uuid", func(text string) error {
			if !ids.IsUUID(text) {
				return errors.New("no UUID")
			}
			return nil
		}).
		WithFormat("uuid-or-empty", func(text string) error {
			if text != "" && !ids.IsUUID(text) {
				return errors.New("no UUID")
			}
			return nil
		}).
		WithFormat("base64", func(text string) error {
			_, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\n", "", "\r", "").Replace(text))
			return err
		}).
		WithFormat("fqdn", func(text string) error {
			for label := range strings.SplitSeq(strings.TrimSuffix(text, "."), ".") {
				if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
					return errors.New("no host name")
				}
			}
			return nil
		}).
		WithFormat("ipv4-or-empty", ip(true, false, true)).
		WithFormat("ipv6-or-empty", ip(false, true, true)).
		WithFormat("ip", ip(true, true, false)).
		WithFormat("natural", digits(0)).WithFormat("positive", digits(1)).WithFormat("limit", digits(-1))
}
