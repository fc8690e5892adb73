package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/micro"
)

// Request is what a handler sees of an HTTP request.
type Request struct {
	HTTP    *http.Request
	Writer  http.ResponseWriter // for streams only; see Response.Stream
	Vars    map[string]string   // the path's placeholders
	Query   url.Values
	Version micro.Version // the microversion spoken
	Route   *Route
	// Endpoint is the service's root as the client reached it, without a slash
	// at the end: "http://127.0.0.1:5000/compute".
	Endpoint string
	service  *Service
	body     []byte
	read     bool
}

// Var returns a placeholder's value.
func (r *Request) Var(name string) string { return r.Vars[name] }

// Base is the cloud's root URL as the client reached it.
func (r *Request) Base() string { return strings.TrimSuffix(r.Endpoint, r.service.Prefix) }

// Link makes an absolute URL below the service's endpoint.
func (r *Request) Link(format string, args ...any) string {
	return r.Endpoint + fmt.Sprintf(format, args...)
}

// AtLeast tells whether the client speaks v or newer.
func (r *Request) AtLeast(major, minor int) bool { return r.Version.AtLeast(micro.V(major, minor)) }

// Body reads the whole body, once; later calls return the same bytes.
func (r *Request) Body() ([]byte, error) {
	if r.read {
		return r.body, nil
	}
	b, err := io.ReadAll(r.HTTP.Body)
	if err != nil {
		return nil, bodyError(err)
	}
	r.body, r.read = b, true
	return b, nil
}

func bodyError(err error) error {
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return errs.New(errs.TooLarge, "Request is too large: at most %d bytes are accepted here.", tooBig.Limit)
	}
	return errs.Wrap(errs.Invalid, err, "The request body could not be read: the connection broke or its framing is wrong.")
}

// maxDepth bounds the nesting of JSON bodies.
const maxDepth = 64

// Decode reads the body as one JSON value into v. A body that is not JSON, or
// nested too deeply, is Invalid and the message says where.
func (r *Request) Decode(v any) error {
	b, err := r.Body()
	if err != nil {
		return err
	}
	return DecodeJSON(b, v)
}

// Object reads the body as a JSON object, numbers kept as json.Number.
func (r *Request) Object() (map[string]any, error) {
	b, err := r.Body()
	if err != nil {
		return nil, err
	}
	if err := checkJSON(b); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, jsonError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errs.New(errs.Invalid, "Malformed request body: something follows the JSON object.")
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errs.New(errs.Invalid, "The request body must be a JSON object.")
	}
	return m, nil
}

// DecodeJSON decodes one JSON value with the checks of Request.Decode.
func DecodeJSON(b []byte, v any) error {
	if err := checkJSON(b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return jsonError(err)
	}
	return nil
}

func jsonError(err error) error {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		return errs.New(errs.Invalid, "Invalid input for field/attribute %s: a JSON %s is not allowed here.", typ.Field, typ.Value)
	}
	return errs.Wrap(errs.Invalid, err, "Malformed request body: it is not valid JSON (%s).", err)
}

// isText tells whether every database keeps s as text.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// textual refuses query parameters that are not text.
func textual(q url.Values) error {
	for name, values := range q {
		if !isText(name) || slices.ContainsFunc(values, func(v string) bool { return !isText(v) }) {
			return errs.New(errs.Invalid, "The query parameter %q contains a null byte, or bytes that are not UTF-8.", name)
		}
	}
	return nil
}

// checkJSON refuses what the decoder would accept slowly or silently, and null
// characters, which not every database keeps.
func checkJSON(b []byte) error {
	if len(bytes.TrimSpace(b)) == 0 {
		return errs.New(errs.Invalid, "Malformed request body: it is empty, a JSON object is expected.")
	}
	depth, quoted, escaped := 0, false, false
	for i, c := range b {
		switch {
		case escaped:
			escaped = false
			if c == 'u' && bytes.HasPrefix(b[i+1:], []byte("0000")) {
				return errs.New(errs.Invalid, "Malformed request body: a text contains a null character.")
			}
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return errs.New(errs.Invalid, "Malformed request body: nested more than %d levels deep.", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// Bool reads a query parameter the way OpenStack's services do.
func (r *Request) Bool(name string, fallback bool) (bool, error) {
	if !r.Query.Has(name) {
		return fallback, nil
	}
	v, ok := ParseBool(r.Query.Get(name))
	if !ok {
		return false, errs.New(errs.Invalid, "Invalid value %q for query parameter %s: use true or false.", r.Query.Get(name), name)
	}
	return v, nil
}

// ParseBool reads the words that OpenStack takes for true and false.
func ParseBool(s string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "t", "true", "on", "y", "yes":
		return true, true
	case "0", "f", "false", "off", "n", "no":
		return false, true
	}
	return false, false
}

// Limit reads ?limit=, at most top (also when absent or 0, if top is not 0).
func (r *Request) Limit(top int) (int, error) {
	text := r.Query.Get("limit")
	if text == "" {
		return top, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, errs.New(errs.Invalid, "limit must be a non-negative integer, not %q.", text)
	}
	if top > 0 && (n > top || n == 0) {
		n = top
	}
	return n, nil
}

// PageURL is the request's own URL with some query values replaced ("" removes one).
func (r *Request) PageURL(set map[string]string) string {
	q := url.Values{}
	for k, v := range r.Query {
		q[k] = v
	}
	for k, v := range set {
		if v == "" {
			q.Del(k)
		} else {
			q.Set(k, v)
		}
	}
	u := r.Endpoint + "/" + strings.Join(segments(strings.TrimPrefix(r.HTTP.URL.EscapedPath(), r.service.Prefix)), "/")
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	return u
}
