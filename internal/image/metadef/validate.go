package metadef

import (
	"slices"
	"strings"
	"unicode/utf8"

	"kumoi/internal/kernel/errs"
)

func invalid(format string, args ...any) error {
	return errs.New(errs.Invalid, "Provided object does not match the schema: "+format, args...)
}

func checkText(what, text string, limit int) error {
	if utf8.RuneCountInString(text) > limit || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return invalid("%s must be a text of at most %d characters", what, limit)
	}
	return nil
}

func checkName(what, name string) error {
	if name == "" {
		return invalid("'%s' is a required property", what)
	}
	return checkText(what, name, 80)
}

// validate checks a namespace and all that it holds, and fills in defaults.
func (n *Namespace) validate() error {
	if n.Visibility == "" {
		n.Visibility = "private"
	}
	if err := checkName("namespace", n.Name); err != nil {
		return err
	}
	for what, limit := range map[string]int{"display_name": 80, "description": 500, "owner": 255} {
		text := map[string]string{"display_name": n.DisplayName, "description": n.Description, "owner": n.Owner}[what]
		if err := checkText(what, text, limit); err != nil {
			return err
		}
	}
	if n.Visibility != "public" && n.Visibility != "private" {
		return invalid("'%.40s' is not one of ['public', 'private']", n.Visibility)
	}
	for _, a := range n.Associations {
		if err := a.validate(); err != nil {
			return err
		}
	}
	for kind, items := range map[string][]*Item{Object: n.Objects, Property: n.Properties, Tag: n.Tags} {
		seen := map[string]bool{}
		for _, it := range items {
			it.Kind = kind
			if err := it.validate(); err != nil {
				return err
			}
			if seen[it.Name] {
				return errs.New(errs.Exists, "The %s %s is given twice.", kind, it.Name)
			}
			seen[it.Name] = true
		}
	}
	return nil
}

func (a *Association) validate() error {
	if err := checkName("name", a.ResourceType); err != nil {
		return err
	}
	if err := checkText("prefix", a.Prefix, 80); err != nil {
		return err
	}
	return checkText("properties_target", a.PropertiesTarget, 80)
}

func (it *Item) validate() error {
	if err := checkName("name", it.Name); err != nil {
		return err
	}
	switch it.Kind {
	case Property:
		return checkProperty(it.Name, it.Body)
	case Object:
		properties, _ := it.Body["properties"].(map[string]any)
		for name, v := range properties {
			schema, ok := v.(map[string]any)
			if !ok {
				return invalid("the property %.80q must be an object", name)
			}
			if err := checkProperty(name, schema); err != nil {
				return err
			}
		}
	}
	return nil
}

var (
	propertyTypes = []string{"array", "boolean", "integer", "number", "object", "string"}
	// propertyKeys are the words of a property's schema and the type of their values.
	propertyKeys = map[string]string{
		"name": "string", "title": "string", "description": "string", "operators": "array", "type": "string",
		"required": "array", "minimum": "number", "maximum": "number", "maxLength": "number", "minLength": "number",
		"pattern": "string", "enum": "array", "readonly": "boolean", "default": "", "items": "object",
		"maxItems": "number", "minItems": "number", "uniqueItems": "boolean", "additionalItems": "boolean",
	}
)

func checkProperty(name string, schema map[string]any) error {
	if err := checkName("name", name); err != nil {
		return err
	}
	for _, key := range []string{"title", "type"} {
		if text, ok := schema[key].(string); !ok || text == "" {
			return invalid("'%s' is a required property of %.80q", key, name)
		}
	}
	if kind := schema["type"].(string); !slices.Contains(propertyTypes, kind) {
		return invalid("'%.40s' is not one of %v", kind, propertyTypes)
	}
	for key, v := range schema {
		want, known := propertyKeys[key]
		if !known {
			return invalid("Additional properties are not allowed ('%.80s' was unexpected)", key)
		}
		if want != "" && jsonType(v) != want {
			return invalid("'%s' of %.80q must be of type '%s'", key, name, want)
		}
	}
	return nil
}

func jsonType(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	case nil:
		return "null"
	}
	return "number"
}
