package api

import (
	"net/http"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

func badRequest(format string, args ...any) *errs.Error {
	return errs.New(errs.Invalid, format, args...).WithCode("HTTPBadRequest")
}

// types are Neutron's names of errors that carry none of their own.
var types = map[errs.Kind]string{
	errs.Invalid: "HTTPBadRequest", errs.NotFound: "HTTPNotFound", errs.Forbidden: "PolicyNotAuthorized", errs.Conflict: "Conflict",
	errs.Exists: "Conflict", errs.OverQuota: "OverQuota", errs.Internal: "HTTPInternalServerError", errs.Unavailable: "HTTPServiceUnavailable",
	errs.TooLarge: "HTTPRequestEntityTooLarge", errs.Precondition: "HTTPPreconditionFailed", errs.Unsupported: "HTTPNotImplemented",
	errs.Method: "HTTPMethodNotAllowed", errs.MediaType: "HTTPUnsupportedMediaType", errs.NoCapacity: "Conflict",
}

// status is where Neutron differs from the common table.
var status = map[errs.Kind]int{errs.OverQuota: http.StatusConflict}

// fault writes Neutron's envelope.
func fault(w http.ResponseWriter, _ *http.Request, status int, e *errs.Error, _ string) {
	code := e.Code
	if code == "" {
		code = types[e.Kind]
	}
	msg := e.Msg
	if status == http.StatusInternalServerError {
		code, msg = "HTTPInternalServerError", "Request Failed: internal server error while processing your request."
	}
	httpx.WriteJSON(w, status, map[string]any{"NeutronError": map[string]any{"type": code, "message": msg, "detail": ""}})
}
