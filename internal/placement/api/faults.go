package api

import (
	"net/http"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
)

// fault writes an error as placement does: a list of one, with a code from
// 1.23 on, and with the range of versions where none could be agreed on.
func fault(w http.ResponseWriter, r *http.Request, status int, e *errs.Error, requestID string) {
	body := map[string]any{
		"status": status, "title": http.StatusText(status), "detail": e.Msg, "request_id": requestID,
	}
	v, err := versions.Negotiate(r.Header)
	switch {
	case errs.Is(err, errs.NotAcceptable):
		body["min_version"], body["max_version"] = versions.Min.String(), versions.Max.String()
	case err == nil && v.AtLeast(micro.V(1, 23)):
		body["code"] = e.Code
		if e.Code == "" {
			body["code"] = "placement.undefined_code"
		}
	}
	httpx.WriteJSON(w, status, map[string]any{"errors": []any{body}})
}
