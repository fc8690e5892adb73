package api

import (
	"maps"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
)

// Pieces of Cinder's schemas that many bodies share.
type (
	object = schema.Object
	list   = schema.List
)

// perVersion is a schema that depends on the microversion.
func perVersion(build func(minor int) object) *rest.Schema { return rest.PerVersion(build, formats) }

// fixed is a schema that all versions share.
func fixed(o object) *rest.Schema { return perVersion(func(int) object { return o }) }

// open is an object that may have more than its properties, closed one that may not.
func open(required list, properties object) object {
	o := object{"type": "object", "properties": properties, "additionalProperties": true}
	if len(required) > 0 {
		o["required"] = required
	}
	return o
}

func closed(required list, properties object) object {
	o := open(required, properties)
	o["additionalProperties"] = false
	return o
}

// wrapped is {key: of}.
func wrapped(key string, of object) object { return closed(list{key}, object{key: of}) }

// merged returns properties and more.
func merged(properties, more object) object {
	out := maps.Clone(properties)
	maps.Copy(out, more)
	return out
}

var (
	anything     = object{}
	optionalText = object{"type": list{"string", "null"}, "minLength": 0, "maxLength": 255}
	descText     = object{"type": list{"string", "null"}, "minLength": 0, "maxLength": 255, "format": "printable"}
	idText       = object{"type": "string", "format": "uuid"}
	optionalID   = object{"type": list{"string", "null"}, "format": "uuid"}
	boolType     = object{"type": list{"boolean", "string"}, "enum": list{true, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t", false, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f"}}
	sizeType     = object{"type": list{"integer", "string"}, "pattern": "^[0-9]+$", "minimum": 1, "maximum": 0x7FFFFFFF}
	optionalSize = object{"type": list{"integer", "string", "null"}, "pattern": "^[0-9]+$", "minimum": 1, "maximum": 0x7FFFFFFF}
	metaKeys     = `^[a-zA-Z0-9-_:. /]{1,255}$`
	metaType     = object{"type": "object", "patternProperties": object{metaKeys: object{"type": "string", "maxLength": 255}}, "additionalProperties": false}
	metaOrNull   = object{"type": list{"object", "null"}, "patternProperties": object{metaKeys: object{"type": "string", "maxLength": 255}}, "additionalProperties": false}
	hostType     = object{"type": list{"string", "null"}, "minLength": 1, "maxLength": 255, "pattern": `^[a-zA-Z0-9-._#@:/+\[\]]*$`}
	nameOrNull   = object{"type": list{"string", "null"}, "maxLength": 255, "format": "printable"}
)

func formats(s *schema.Schema) *schema.Schema {
	return s.
		WithFormat("uuid", func(text string) error {
			if !ids.IsUUID(text) {
				return errs.New(errs.Invalid, "%.60q is not a 'uuid'", text)
			}
			return nil
		}).
		WithFormat("printable", func(text string) error {
			if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f }) {
				return errs.New(errs.Invalid, "it has control characters")
			}
			return nil
		})
}
