// Package httpx is the HTTP side of every service: a table of routes, one
// gateway that authenticates, negotiates versions, limits bodies and logs, and
// the one place where kinds of errors become status codes.
//
// A service describes itself as a Service value. Its handlers see a Request and
// return a Response or an error; the service's Fault writes errors in the
// envelope its clients know. Discovery, the policy reference and the coverage
// report are made from the same table.
package httpx

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/micro"
)

// Handler answers one operation.
type Handler func(ctx context.Context, r *Request) (*Response, error)

// Route is one row of a service's table.
type Route struct {
	Method string // GET, POST …
	// Path is rooted at the service's endpoint and written as in the API
	// inventory: "/v2.1/servers/{server_id}". A last "{name...}" takes the rest.
	Path string
	// Action is the only key of the body that selects this route among those
	// of one POST path: "os-start" for ".../action#os-start".
	Action string
	// Variants are further "#…" rows of the inventory that this route serves.
	Variants []string
	// Policy is the rule the service checks, for the reference and the role
	// matrix; "" for routes that need no token or only a valid one.
	Policy string
	// Min and Max bound the microversions that have the route; zero: no bound.
	Min, Max micro.Version
	// Public routes are served without a token; the actor may be empty.
	Public bool
	// Unaudited routes change nothing whatever their method, or record what
	// they do themselves: the audit trail does not hear of their requests.
	Unaudited bool
	// SecretPath routes have a secret in their path: the log shows the pattern.
	SecretPath bool
	// SecretAnswer routes answer with secrets, which are never compressed.
	SecretAnswer bool
	// BodyLimit is the largest body in bytes; 0 means DefaultBodyLimit
	// (PublicBodyLimit without a token), -1 unlimited (streams).
	BodyLimit int64
	// Handler answers.
	Handler Handler
}

// DefaultBodyLimit is the largest request body, in bytes, of a route that says nothing.
const DefaultBodyLimit = 1 << 20

// PublicBodyLimit is the same for those who have shown no token.
const PublicBodyLimit = 128 << 10

// Service is what one OpenStack API looks like from outside.
type Service struct {
	Name   string // as in the API inventory: "keystone", "nova" …
	Type   string // of the catalogue: "identity", "compute" …
	Prefix string // of its URLs: "/identity"
	Routes []Route
	Micro  *micro.Range // nil: no microversions
	// Status holds where the service differs from the default kind → status table.
	Status map[errs.Kind]int
	// Fault writes an error in the service's envelope; the request is there for
	// Accept and version. nil: Keystone's envelope.
	Fault func(w http.ResponseWriter, r *http.Request, status int, e *errs.Error, requestID string)
	// RequestIDHeaders names the response headers beside X-Openstack-Request-Id.
	RequestIDHeaders []string
	// StripJSON accepts ".json" behind any path, as Neutron does.
	StripJSON bool
	// ExactSlash makes a path that ends in a slash another path, as in Glance;
	// a version's own document may have one.
	ExactSlash bool
	// RawPath keeps empty segments of a path, which object names may have;
	// everywhere else "a//b" is "a/b".
	RawPath bool
	// OpenPaths says whether a path exists, and takes the method, without asking
	// for a token, as Keystone does: a wrong address must not look like a wrong password.
	OpenPaths bool
	// Versions maps other names of a version to the one in the table, such as
	// "v2.3" to "v2". By such a name no microversion is negotiated.
	Versions map[string]string
	// Unversioned answers paths whose first segment is neither in the table nor
	// in Versions, by any method and for anybody. nil: they are not found.
	Unversioned Handler
	// ProjectAfter names the version segment behind which a project id may
	// stand in the path: "v2.1". It must be the token's.
	ProjectAfter string
	// Headers are set on every answer.
	Headers map[string]string
	// Unauthorized replaces the envelope of a missing or bad token, which in
	// OpenStack comes from a layer before the service. nil: the common one.
	Unauthorized func(w http.ResponseWriter, r *http.Request, e *errs.Error)
}

// defaultStatus is the one table from kinds of errors to HTTP.
var defaultStatus = map[errs.Kind]int{
	errs.Internal:        http.StatusInternalServerError,
	errs.Invalid:         http.StatusBadRequest,
	errs.Unauthenticated: http.StatusUnauthorized,
	errs.Forbidden:       http.StatusForbidden,
	errs.NotFound:        http.StatusNotFound,
	errs.Exists:          http.StatusConflict,
	errs.Conflict:        http.StatusConflict,
	errs.OverQuota:       http.StatusForbidden,
	errs.NoCapacity:      http.StatusConflict,
	errs.TooLarge:        http.StatusRequestEntityTooLarge,
	errs.Unsupported:     http.StatusNotImplemented,
	errs.Unavailable:     http.StatusServiceUnavailable,
	errs.Gone:            http.StatusGone,
	errs.Precondition:    http.StatusPreconditionFailed,
	errs.MediaType:       http.StatusUnsupportedMediaType,
	errs.Range:           http.StatusRequestedRangeNotSatisfiable,
	errs.NotAcceptable:   http.StatusNotAcceptable,
	errs.Method:          http.StatusMethodNotAllowed,
}

// StatusOf returns the status of a kind in this service.
func (s *Service) StatusOf(kind errs.Kind) int {
	if code, ok := s.Status[kind]; ok {
		return code
	}
	return defaultStatus[kind]
}

// ErrorEnvelope writes the common {"error": {code, title, message}} body.
func ErrorEnvelope(w http.ResponseWriter, _ *http.Request, status int, e *errs.Error, _ string) {
	WriteJSON(w, status, map[string]any{"error": map[string]any{
		"code": status, "title": http.StatusText(status), "message": e.Msg,
	}})
}
