package api

import "kumoi/internal/kernel/httpx"

// metadefSchemas describes the metadata definition catalogue.
func (a *api) metadefSchemas() []httpx.Route {
	namespace, object1, property, tag, kind := namespaceSchema(), objectSchema(), propertySchema(), tagSchema(), associationSchema()
	propertyList := object{
		"name": "properties", "definitions": schemaDefinitions(),
		"properties": object{
			"properties": object{"type": "object", "additionalProperties": object{"type": "object", "properties": property["properties"]}},
			"schema":     object{"type": "string"},
		},
		"links": []object{{"rel": "describedby", "href": "{schema}"}},
	}
	types := object{
		"name": "resource_type_associations",
		"properties": object{
			"resource_type_associations": object{"type": "array", "items": kind}, "schema": object{"type": "string"},
		},
		"links": []object{{"rel": "describedby", "href": "{schema}"}},
	}
	return []httpx.Route{
		serveSchema("metadefs/namespace", namespace), serveSchema("metadefs/namespaces", collection("namespaces", namespace, true)),
		serveSchema("metadefs/object", object1), serveSchema("metadefs/objects", collection("objects", object1, true)),
		serveSchema("metadefs/property", property), serveSchema("metadefs/properties", propertyList),
		serveSchema("metadefs/tag", tag), serveSchema("metadefs/tags", collection("tags", tag, true)),
		serveSchema("metadefs/resource_type", kind), serveSchema("metadefs/resource_types", types),
	}
}

func schemaDefinitions() object {
	return object{
		"positiveInteger":         object{"type": "integer", "minimum": 0},
		"positiveIntegerDefault0": object{"allOf": []object{{"$ref": "#/definitions/positiveInteger"}, {"default": 0}}},
		"stringArray":             object{"type": "array", "items": object{"type": "string"}, "uniqueItems": true},
		"property": object{"type": "object", "additionalProperties": object{
			"type": "object", "required": []string{"title", "type"}, "properties": propertyWords(),
		}},
	}
}

// propertyWords are the words that a property is described with.
func propertyWords() object {
	types := object{"type": "string", "enum": []any{"array", "boolean", "integer", "number", "object", "string", nil}}
	natural := object{"$ref": "#/definitions/positiveInteger"}
	natural0 := object{"$ref": "#/definitions/positiveIntegerDefault0"}
	return object{
		"name": object{"type": "string", "maxLength": 80}, "title": object{"type": "string"}, "description": object{"type": "string"},
		"operators": object{"type": "array", "items": object{"type": "string"}}, "type": types,
		"required": object{"$ref": "#/definitions/stringArray"},
		"minimum":  object{"type": "number"}, "maximum": object{"type": "number"},
		"maxLength": natural, "minLength": natural0, "pattern": object{"type": "string", "format": "regex"},
		"enum": object{"type": "array"}, "readonly": object{"type": "boolean"}, "default": object{},
		"items":    object{"type": "object", "properties": object{"type": types, "enum": object{"type": "array"}}},
		"maxItems": natural, "minItems": natural0,
		"uniqueItems": object{"type": "boolean", "default": false}, "additionalItems": object{"type": "boolean"},
	}
}

// recordFields are what every definition's record has.
func recordFields(properties object) object {
	for _, name := range []string{"created_at", "updated_at"} {
		properties[name] = field("string", "When it was made, or last changed", readOnly, object{"format": "date-time"})
	}
	properties["self"] = object{"type": "string", "readOnly": true}
	properties["schema"] = object{"type": "string", "readOnly": true}
	return properties
}

func namespaceSchema() object {
	return object{
		"name": "namespace", "required": []string{"namespace"}, "additionalProperties": false, "definitions": schemaDefinitions(),
		"properties": recordFields(object{
			"namespace":                  field("string", "The namespace's unique name", maxLength(80)),
			"display_name":               field("string", "A name for people", maxLength(80)),
			"description":                field("string", "What the namespace is about", maxLength(500)),
			"visibility":                 field("string", "Who may see it", object{"enum": []string{"public", "private"}}),
			"protected":                  field("boolean", "Whether it is kept from being deleted"),
			"owner":                      field("string", "The project that owns it", maxLength(255)),
			"resource_type_associations": object{"type": "array", "items": associationSchema()},
			"properties":                 object{"$ref": "#/definitions/property"},
			"objects":                    object{"type": "array", "items": object{"type": "object", "properties": objectFields()}},
			"tags":                       object{"type": "array", "items": object{"type": "object", "properties": object{"name": object{"type": "string"}}}},
		}),
	}
}

func objectFields() object {
	return object{
		"name":        field("string", "The object's name", maxLength(255)),
		"description": field("string", "What the object is about"),
		"required":    object{"$ref": "#/definitions/stringArray"},
		"properties":  object{"$ref": "#/definitions/property"},
	}
}

func objectSchema() object {
	return object{
		"name": "object", "required": []string{"name"}, "additionalProperties": false, "definitions": schemaDefinitions(),
		"properties": recordFields(objectFields()),
	}
}

func propertySchema() object {
	return object{
		"name": "property", "required": []string{"name", "title", "type"}, "additionalProperties": false,
		"definitions": schemaDefinitions(), "properties": propertyWords(),
	}
}

func tagSchema() object {
	return object{
		"name": "tag", "required": []string{"name"}, "additionalProperties": false, "definitions": schemaDefinitions(),
		"properties": object{
			"name":       field("string", "The tag", maxLength(80)),
			"created_at": field("string", "When it was made", readOnly, object{"format": "date-time"}),
			"updated_at": field("string", "When it was last changed", readOnly, object{"format": "date-time"}),
		},
	}
}

func associationSchema() object {
	return object{
		"name": "resource_type_association", "required": []string{"name"}, "additionalProperties": false,
		"properties": object{
			"name":              field("string", "The type of resource, as the orchestration service calls it", maxLength(80)),
			"prefix":            field("string", "What the properties' names begin with on such resources", maxLength(80)),
			"properties_target": field("string", "Which of several sets of properties of such resources is meant", maxLength(80)),
			"created_at":        field("string", "When it was made", readOnly, object{"format": "date-time"}),
			"updated_at":        field("string", "When it was last changed", readOnly, object{"format": "date-time"}),
		},
	}
}
