package api

import (
	"context"
	"net/http"

	"kumoi/internal/image"
	"kumoi/internal/kernel/httpx"
)

type object = map[string]any

func (a *api) schemas() []httpx.Route {
	image := imageSchema()
	member := memberSchema()
	return []httpx.Route{
		serveSchema("image", image), serveSchema("images", collection("images", image, true)),
		serveSchema("task", taskSchema(true)), serveSchema("tasks", collection("tasks", taskSchema(false), true)),
		serveSchema("member", member), serveSchema("members", collection("members", member, false)),
	}
}

func serveSchema(name string, schema object) httpx.Route {
	return route("GET", "/v2/schemas/"+name, "", func(context.Context, *httpx.Request) (*httpx.Response, error) {
		return httpx.JSON(http.StatusOK, schema), nil
	})
}

// field is one property of a schema.
func field(kind any, description string, more ...object) object {
	f := object{"type": kind, "description": description}
	for _, m := range more {
		for k, v := range m {
			f[k] = v
		}
	}
	return f
}

func maxLength(n int) object { return object{"maxLength": n} }

var (
	readOnly = object{"readOnly": true}
	nullable = []string{"null", "string"}
	uuidForm = object{"pattern": "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"}
)

// orNullEnum lists texts, and null.
func orNullEnum(list []string) object {
	values := []any{nil}
	for _, v := range list {
		values = append(values, v)
	}
	return object{"enum": values}
}

// collection is the schema of a list.
func collection(name string, schema object, paged bool) object {
	properties := object{
		name:     object{"type": "array", "items": schema},
		"schema": object{"type": "string"},
	}
	out := object{"name": name, "properties": properties}
	if paged {
		properties["first"], properties["next"] = object{"type": "string"}, object{"type": "string"}
		out["links"] = []object{
			{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, {"rel": "describedby", "href": "{schema}"},
		}
	} else {
		out["links"] = []object{{"rel": "describedby", "href": "{schema}"}}
	}
	return out
}

func imageSchema() object {
	return object{
		"name": "image",
		"properties": object{
			"id":               field("string", "The image's identifier", uuidForm),
			"name":             field(nullable, "A name for people", maxLength(255)),
			"status":           field("string", "Where the image is in its life", readOnly, object{"enum": []string{"queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"}}),
			"visibility":       field("string", "Who may see the image", object{"enum": []string{"community", "public", "private", "shared"}}),
			"protected":        field("boolean", "A protected image cannot be deleted"),
			"os_hidden":        field("boolean", "A hidden image is left out of lists unless they ask for it"),
			"checksum":         field(nullable, "The md5 digest of the data", readOnly, maxLength(32)),
			"os_hash_algo":     field(nullable, "The algorithm of os_hash_value", readOnly, maxLength(64)),
			"os_hash_value":    field(nullable, "The digest of the data in hexadecimal digits", readOnly, maxLength(128)),
			"owner":            field(nullable, "The project that owns the image", maxLength(255)),
			"size":             field([]string{"null", "integer"}, "The length of the data in bytes", readOnly),
			"virtual_size":     field([]string{"null", "integer"}, "The size of the disk inside in bytes", readOnly),
			"container_format": field(nullable, "What the data is packed in", orNullEnum(image.ContainerFormats)),
			"disk_format":      field(nullable, "The disk's format", orNullEnum(image.DiskFormats)),
			"created_at":       field("string", "When the image was registered", readOnly),
			"updated_at":       field("string", "When the image was last changed", readOnly),
			"tags":             field("array", "Words that the image can be found by", object{"items": object{"type": "string", "maxLength": 255}}),
			"direct_url":       field("string", "Where the data lies in its store", readOnly),
			"min_ram":          field("integer", "The memory that a server needs, in MiB"),
			"min_disk":         field("integer", "The disk that a server needs, in GiB"),
			"self":             field("string", "The image's own path", readOnly),
			"file":             field("string", "The path of the image's data", readOnly),
			"stores":           field("string", "The stores that hold the data, separated by commas", readOnly),
			"schema":           field("string", "The path of this schema", readOnly),
			"locations": field("array", "Where copies of the data lie", object{"items": object{
				"type": "object", "required": []string{"url", "metadata"},
				"properties": object{
					"url":             object{"type": "string", "maxLength": 255},
					"metadata":        object{"type": "object"},
					"validation_data": validationSchema(),
				},
			}}),
			"architecture":    field("string", "The processor architecture that the image is made for", object{"is_base": false}),
			"kernel_id":       field(nullable, "The image of the kernel to boot with", uuidForm, object{"is_base": false}),
			"ramdisk_id":      field(nullable, "The image of the initial file system to boot with", uuidForm, object{"is_base": false}),
			"instance_uuid":   field("string", "The server that the image was made from", object{"is_base": false}),
			"os_distro":       field("string", "The distribution, in libosinfo's short form", object{"is_base": false}),
			"os_version":      field("string", "The version of the operating system", object{"is_base": false}),
			"hypervisor_type": field("string", "The hypervisor that the image needs", object{"is_base": false}),
			"description":     field("string", "A text for people", object{"is_base": false}),
		},
		"additionalProperties": object{"type": "string"},
		"links": []object{
			{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"}, {"rel": "describedby", "href": "{schema}"},
		},
	}
}

func validationSchema() object {
	return object{
		"type": "object", "additionalProperties": false, "writeOnly": true, "required": []string{"os_hash_algo", "os_hash_value"},
		"description": "What is known of the data at the location",
		"properties": object{
			"checksum":      field("string", "The md5 digest of the data", object{"minLength": 32, "maxLength": 32}),
			"os_hash_algo":  field("string", "The algorithm of os_hash_value", maxLength(64)),
			"os_hash_value": field("string", "The digest of the data in hexadecimal digits", maxLength(128)),
		},
	}
}

func taskSchema(details bool) object {
	properties := object{
		"id":         field("string", "The task's identifier", uuidForm),
		"type":       field("string", "What the task does", object{"enum": []string{"import", "api_image_import", "location_import"}}),
		"status":     field("string", "How the task fares", object{"enum": []string{"pending", "processing", "success", "failure"}}),
		"owner":      field("string", "The project that asked for the task"),
		"expires_at": field(nullable, "When the record of the ended task goes"),
		"created_at": field("string", "When the task was asked for"),
		"updated_at": field("string", "When its status last changed"),
		"self":       object{"type": "string", "readOnly": true},
		"schema":     object{"type": "string", "readOnly": true},
	}
	if details {
		properties["image_id"] = field("string", "The image that the task works on")
		properties["request_id"] = field("string", "The request that asked for the task")
		properties["user_id"] = field("string", "The user who asked for the task")
		properties["input"] = field([]string{"null", "object"}, "What the task was told")
		properties["result"] = field([]string{"null", "object"}, "What came of it")
		properties["message"] = field("string", "Why the task failed")
	}
	return object{"name": "task", "properties": properties}
}

func memberSchema() object {
	return object{
		"name": "member",
		"properties": object{
			"member_id":  field("string", "The project that the image is shared with"),
			"image_id":   field("string", "The image's identifier", uuidForm),
			"created_at": field("string", "When the image was shared"),
			"updated_at": field("string", "When the member last decided"),
			"status":     field("string", "The member's decision", object{"enum": []string{"pending", "accepted", "rejected"}}),
			"schema":     object{"type": "string", "readOnly": true},
		},
	}
}
