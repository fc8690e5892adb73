package api

import (
	"context"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
)

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

// answer is what write writes into one object, with the headers of version
// 1.15: when it was changed last. A zero time means now.
func answer(r *httpx.Request, status int, modified time.Time, write func(w *rest.Writer)) *httpx.Response {
	return dated(r, rest.Answer(status, func(w *rest.Writer) { w.Object("", func() { write(w) }) }), modified)
}

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

// located adds where to find what was made.
func located(r *httpx.Request, resp *httpx.Response, parts ...string) *httpx.Response {
	return resp.With("Location", r.Link("/%s", strings.Join(parts, "/")))
}

// done answers 204.
func done(err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

// bodySchema is the schema of a body in each minor version.
func bodySchema(build func(minor int) schema.Object) *rest.Schema {
	uuids := func(s *schema.Schema) *schema.Schema { return s.WithFormat("uuid-like", uuidLike) }
	return rest.PerVersion(build, uuids).AnyShape().Worded(func(err error) error {
		return errs.Wrap(errs.KindOf(err), err, "JSON does not validate: %s", errs.As(err).Msg)
	})
}

// objectSchema makes the schema of an object that has no other keys.
func objectSchema(required []string, properties schema.Object) schema.Object {
	return schema.Object{"type": "object", "additionalProperties": false, "required": append([]string{}, required...), "properties": properties}
}

// mapOf makes the schema of an object whose keys are like a pattern.
func mapOf(pattern string, value schema.Object) schema.Object {
	return schema.Object{"type": "object", "additionalProperties": false, "patternProperties": schema.Object{pattern: value}}
}

// Pieces of schemas.
var (
	uuidText  = schema.Object{"type": "string", "format": "uuid-like"}
	anyInt    = schema.Object{"type": "integer"}
	text255   = schema.Object{"type": "string", "minLength": 1, "maxLength": 255}
	className = schema.Object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": classPattern}
)

const (
	classPattern = "^[A-Z0-9_]+$"
	uuidPattern  = "^[0-9a-fA-F-]{36}$"
)

func uuidLike(text string) error {
	if !ids.IsUUID(text) {
		return errs.New(errs.Invalid, "is not a UUID")
	}
	return nil
}

// dashed brings a UUID into the form we keep.
func dashed(text string) string {
	if u, err := uuid.Parse(text); err == nil {
		return u.String()
	}
	return text
}
