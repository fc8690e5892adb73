package api

import (
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/kernel/httpx"
)

// bodyOf reads a body that has no other keys than these: what nobody would look
// at is a mistake.
func bodyOf(req *httpx.Request, keys ...string) (map[string]any, error) {
	body, err := req.Object()
	if err != nil {
		return nil, err
	}
	for k := range body {
		if !slices.Contains(keys, k) {
			return nil, badRequest("Unexpected '%.60s' in request body; expected is %s.", k, strings.Join(keys, " or "))
		}
	}
	return body, nil
}

// listIn reads the list of an action's body: under its name, or inside the
// resource, as some clients wrap it. It has to be there.
func listIn(req *httpx.Request, member, name string) ([]any, error) {
	body, err := bodyOf(req, name, member)
	if err != nil {
		return nil, err
	}
	raw, ok := body[name]
	if wrapped, is := body[member]; is && !ok {
		m, err := toObject(wrapped, name)
		if err != nil {
			return nil, badRequest("Invalid input for %s. Reason: %s.", member, err)
		}
		raw, ok = m[name]
	}
	if !ok {
		return nil, badRequest("Unable to find '%s' in request body", name)
	}
	list, isList := raw.([]any)
	if !isList {
		return nil, badRequest("Invalid input for %s. Reason: '%v' is not a list.", name, show(raw))
	}
	return list, nil
}

// objects finds the body's resource, or resources of a bulk request.
func objects(req *httpx.Request, one, many string, bulk bool) (list []map[string]any, isBulk bool, err error) {
	keys := []string{one}
	if bulk {
		keys = append(keys, many)
	}
	body, err := bodyOf(req, keys...)
	if err != nil {
		return nil, false, err
	}
	if len(body) > 1 {
		return nil, false, badRequest("Request body has both '%s' and '%s'", one, many)
	}
	if raw, ok := body[one]; ok {
		m, ok := raw.(map[string]any)
		if !ok {
			return nil, false, badRequest("Invalid input for operation: '%s' must be a dictionary.", one)
		}
		return []map[string]any{m}, false, nil
	}
	raw, ok := body[many].([]any)
	if !ok || !bulk {
		return nil, false, badRequest("Unable to find '%s' in request body", one)
	}
	if len(raw) == 0 {
		return nil, false, badRequest("Resources required")
	}
	for _, x := range raw {
		m, ok := x.(map[string]any)
		if !ok {
			return nil, false, badRequest("Invalid input for operation: each of '%s' must be a dictionary.", many)
		}
		if wrapped, ok := m[one].(map[string]any); ok && len(m) == 1 {
			m = wrapped // {"ports": [{"port": {…}}]} is an old way to say it
		}
		list = append(list, m)
	}
	return list, true, nil
}

// revision reads If-Match: revision_number=N.
func revision(req *httpx.Request) (*int64, error) {
	text := req.HTTP.Header.Get("If-Match")
	if text == "" {
		return nil, nil
	}
	num, ok := strings.CutPrefix(strings.Trim(text, `" `), "revision_number=")
	n, err := strconv.ParseInt(num, 10, 64)
	if !ok || err != nil {
		return nil, badRequest("Invalid value '%s' for If-Match: expected revision_number=N.", text)
	}
	return &n, nil
}
