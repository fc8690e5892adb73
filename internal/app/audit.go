package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
)

// auditRequests makes every request that may change something an event of the
// trail, in the words that OpenStack's audit middleware uses: "create",
// "update", "update/reboot", "delete" on "service/compute/servers".
func (k *control) auditRequests(ctx context.Context, s *httpx.Service, r *httpx.Request) (context.Context, func(status int, answer any)) {
	target := audit.Resource{TypeURI: targetType(s, r.Route), ID: firstID(r)}
	ctx, pending := k.audit.Begin(ctx, audit.Event{
		Action: cadfAction(r.Route), Target: target, Observer: audit.Resource{Name: s.Type}, RequestPath: r.HTTP.URL.Path,
	})
	pending.Agent(r.HTTP.UserAgent())
	return ctx, func(status int, answer any) {
		if err := pending.Finish(status, madeID(r.Route, answer)); err != nil {
			k.log.ErrorContext(ctx, "the audit trail could not be written", "method", r.HTTP.Method, "path", r.HTTP.URL.Path, "error", err)
		}
	}
}

func cadfAction(r *httpx.Route) string {
	switch {
	case r.Action != "":
		return "update/" + r.Action
	case r.Method == http.MethodPost:
		return "create"
	case r.Method == http.MethodDelete:
		return "delete"
	}
	return "update"
}

// targetType names the kind of resource by the fixed parts of a route's path,
// without the version: "/v2.1/servers/{server_id}/os-interface" is
// "service/compute/servers/os-interface".
func targetType(s *httpx.Service, r *httpx.Route) string {
	parts := []string{"service", s.Type}
	for i, seg := range strings.Split(strings.Trim(r.Path, "/"), "/") {
		version := i == 0 && len(seg) > 1 && seg[0] == 'v' && seg[1] >= '0' && seg[1] <= '9'
		if !version && !strings.HasPrefix(seg, "{") && seg != "action" {
			parts = append(parts, seg)
		}
	}
	return strings.Join(parts, "/")
}

// firstID is the first thing that a path names: the server of a server's interface.
func firstID(r *httpx.Request) string {
	for _, seg := range strings.Split(r.Route.Path, "/") {
		if strings.HasPrefix(seg, "{") && seg != "{project_id}" {
			return r.Var(strings.TrimSuffix(strings.Trim(seg, "{}"), "..."))
		}
	}
	return ""
}

// madeID finds the id of what a POST has made in its answer: {"server": {"id": …}}
// or, as Glance has it, {"id": …}. Key pairs have names alone.
func madeID(r *httpx.Route, answer any) string {
	if r.Method != http.MethodPost || answer == nil {
		return ""
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return ""
	}
	var flat struct{ ID, Name any }
	if json.Unmarshal(text, &flat) == nil && flat.ID != nil {
		return fmt.Sprint(flat.ID)
	}
	var wrapped map[string]json.RawMessage
	if json.Unmarshal(text, &wrapped) != nil || len(wrapped) != 1 {
		return ""
	}
	for _, inner := range wrapped {
		if json.Unmarshal(inner, &flat) != nil {
			return ""
		}
	}
	switch {
	case flat.ID != nil:
		return fmt.Sprint(flat.ID)
	case flat.Name != nil: // a key pair
		return fmt.Sprint(flat.Name)
	}
	return ""
}

// listAudit answers "kumoi admin audit list".
func listAudit(ctx context.Context, k *control, r *http.Request, _ nothing) (any, error) {
	q := r.URL.Query()
	f := audit.Filter{
		Service: q.Get("service"), Action: q.Get("action"), Outcome: q.Get("outcome"), Initiator: q.Get("initiator"),
		Project: q.Get("project"), Target: q.Get("target"), Request: q.Get("request"),
	}
	var err error
	for name, at := range map[string]*time.Time{"since": &f.Since, "until": &f.Until} {
		if text := q.Get(name); text != "" && err == nil {
			*at, err = isotime.Parse(text)
		}
	}
	if text := q.Get("limit"); text != "" && err == nil {
		f.Limit, err = strconv.Atoi(text)
	}
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "audit: the filter is malformed")
	}
	return k.audit.List(ctx, f)
}
