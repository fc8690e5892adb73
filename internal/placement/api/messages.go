package api

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

type object = map[string]any

// wantsJSON refuses a client that accepts nothing we can answer.
func wantsJSON(h httpx.Handler) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		accept := strings.Join(r.HTTP.Header.Values("Accept"), ",")
		if accept != "" && !strings.Contains(accept, "application/json") && !strings.Contains(accept, "*/*") && !strings.Contains(accept, "application/*") {
			return nil, errs.New(errs.NotAcceptable, "Only application/json is provided, not %.100s.", accept)
		}
		return h(ctx, r)
	}
}

// sendsJSON refuses a body that is declared as something else.
func sendsJSON(h httpx.Handler) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		kind, _, err := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type"))
		if err != nil || kind != "application/json" {
			return nil, errs.New(errs.MediaType, "The media type %.100q is not supported, use application/json.", r.HTTP.Header.Get("Content-Type"))
		}
		return h(ctx, r)
	}
}

// decode checks the body against a schema and reads it.
func decode(r *httpx.Request, s *schema.Schema, into any) error {
	b, err := r.Body()
	if err != nil {
		return err
	}
	var shape any
	if err := httpx.DecodeJSON(b, &shape); err != nil {
		return err
	}
	if err := s.ValidateJSON(b); err != nil {
		return errs.Wrap(errs.KindOf(err), err, "JSON does not validate: %s", errs.As(err).Msg)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return errs.Wrap(errs.Invalid, err, "Malformed JSON: %s", err)
	}
	return nil
}

// onlyParams refuses query parameters that are not listed.
func onlyParams(r *httpx.Request, known ...string) error {
	for name := range r.Query {
		if !slices.Contains(known, name) {
			return errs.New(errs.Invalid, "Invalid query string parameters: %.100q was unexpected; here are known: %s.", name, strings.Join(known, ", "))
		}
	}
	return nil
}

// param is a query parameter; the last one counts when it is repeated.
func param(r *httpx.Request, name string) string {
	if v := r.Query[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

// dated adds the headers of version 1.15; a zero time means now.
func dated(r *httpx.Request, resp *httpx.Response, modified time.Time) *httpx.Response {
	if !r.AtLeast(1, 15) {
		return resp
	}
	if modified.IsZero() {
		modified = time.Now()
	}
	return resp.With("Last-Modified", modified.UTC().Format(http.TimeFormat)).With("Cache-Control", "no-cache")
}

// path is a link as placement writes them: without scheme and host.
func path(parts ...string) string { return "/placement/" + strings.Join(parts, "/") }

// location is the absolute form of path, for the header.
func location(r *httpx.Request, parts ...string) string {
	return r.Link("/%s", strings.Join(parts, "/"))
}

// done answers 204.
func done(err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

// Pieces of schemas.
var (
	uuidText = object{"type": "string", "format": "uuid-like"}
	anyInt   = object{"type": "integer"}
	text255  = object{"type": "string", "minLength": 1, "maxLength": 255}
)

const (
	classPattern = "^[A-Z0-9_]+$"
	uuidPattern  = "^[0-9a-fA-F-]{36}$"
)

// body makes the schema of an object that has no other keys.
func body(required []string, properties object) object {
	return object{"type": "object", "additionalProperties": false, "required": append([]string{}, required...), "properties": properties}
}

func compile(s object) *schema.Schema { return schema.Of(s).WithFormat("uuid-like", uuidLike) }
