package api

import (
	"bytes"
	"encoding/json"
	"mime"
	"slices"
	"strings"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

// The two forms of a patch: {"add": "/name", "value": …} and
// {"op": "add", "path": "/name", "value": …}.
const (
	patch20 = "application/openstack-images-v2.0-json-patch"
	patch21 = "application/openstack-images-v2.1-json-patch"
)

var patchOps = []string{"add", "remove", "replace"}

// readPatch reads a patch in either form.
func readPatch(r *httpx.Request) ([]image.Change, error) {
	kind, _, _ := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type"))
	if kind != patch20 && kind != patch21 {
		r.Writer.Header().Set("Accept-Patch", patch20+", "+patch21)
		return nil, errs.New(errs.MediaType, "Image PATCH expects Content-Type one of: %s, %s", patch20, patch21)
	}
	raw, err := operations(r)
	if err != nil {
		return nil, err
	}
	changes := make([]image.Change, len(raw))
	for i, op := range raw {
		if changes[i], err = change(op, kind == patch20); err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// operations reads the body as a list of objects, numbers kept as they are.
func operations(r *httpx.Request) ([]map[string]any, error) {
	var text json.RawMessage
	if err := r.Decode(&text); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "Malformed request body: it is not valid JSON.")
	}
	list, ok := v.([]any)
	if !ok {
		return nil, errs.New(errs.Invalid, "Request body must be a JSON array of operation objects.")
	}
	out := make([]map[string]any, len(list))
	for i, v := range list {
		if out[i], ok = v.(map[string]any); !ok {
			return nil, errs.New(errs.Invalid, "Operations must be JSON objects.")
		}
	}
	return out, nil
}

func change(raw map[string]any, old bool) (image.Change, error) {
	c := image.Change{Strict: old}
	var pointer any
	if old {
		for _, op := range patchOps {
			if p, ok := raw[op]; ok {
				if c.Op != "" {
					return c, errs.New(errs.Invalid, `Operation objects must contain only one member named "add", "remove", or "replace".`)
				}
				c.Op, pointer = op, p
			}
		}
		if c.Op == "" {
			return c, errs.New(errs.Invalid, `Operation objects must contain exactly one member named "add", "remove", or "replace".`)
		}
	} else {
		c.Op, _ = raw["op"].(string)
		if !slices.Contains(patchOps, c.Op) {
			return c, errs.New(errs.Invalid, "Invalid operation: `%.100s`. It must be one of the following: add, remove, replace.", c.Op)
		}
		pointer = raw["path"]
	}
	text, ok := pointer.(string)
	if !ok {
		return c, errs.New(errs.Invalid, "Unable to find 'path' in JSON Schema change")
	}
	var err error
	if c.Path, err = parsePointer(text); err != nil {
		return c, err
	}
	limit := 1
	if c.Path[0] == "locations" && c.Op != "replace" {
		limit = 2
	}
	if len(c.Path) != limit {
		return c, errs.New(errs.Invalid, "Invalid JSON pointer for this resource: '%.255s'", text)
	}
	if c.Op != "remove" {
		if c.Value, ok = raw["value"]; !ok {
			return c, errs.New(errs.Invalid, `Operation "%s" requires a member named "value".`, c.Op)
		}
	}
	return c, nil
}

// parsePointer reads the limited form of JSON pointer that patches use.
func parsePointer(text string) ([]string, error) {
	bad := func(why string) error { return errs.New(errs.Invalid, "Pointer `%.255s` %s.", text, why) }
	if !strings.HasPrefix(text, "/") {
		return nil, bad(`does not start with "/"`)
	}
	if len(text) > 1 && strings.HasSuffix(text, "/") {
		return nil, bad(`ends with "/"`)
	}
	parts := strings.Split(text[1:], "/")
	for i, p := range parts {
		if strings.TrimSpace(p) == "" {
			return nil, bad(`contains an empty part`)
		}
		for rest := p; ; {
			_, after, ok := strings.Cut(rest, "~")
			if !ok {
				break
			}
			if after == "" || after[0] != '0' && after[0] != '1' {
				return nil, bad(`contains "~" not part of a recognized escape sequence`)
			}
			rest = after
		}
		parts[i] = strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(p, "~1", "/"), "~0", "~"))
	}
	return parts, nil
}
