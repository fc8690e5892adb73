package api

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

const (
	unknownType = "unknown" // of consumers that were made before there were types
	allTypes    = "all"
)

func (a *api) providerUsages(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, list, err := a.svc.ProviderUsages(ctx, r.Var("uuid"))
	if err != nil {
		return nil, err
	}
	used := object{}
	for _, i := range list {
		used[i.Class] = i.Used
	}
	return dated(r, httpx.JSON(http.StatusOK, object{"usages": used, "resource_provider_generation": p.Generation}), time.Time{}), nil
}

func (a *api) usages(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	known := []string{"project_id", "user_id"}
	if r.AtLeast(1, 38) {
		known = append(known, "consumer_type")
	}
	if err := onlyParams(r, known...); err != nil {
		return nil, err
	}
	for _, name := range known {
		if v := param(r, name); (r.Query.Has(name) || name == "project_id") && (v == "" || len(v) > 255) {
			return nil, errs.New(errs.Invalid, "Invalid query string parameters: %s is required and has 1 to 255 characters, not %.300q.", name, v)
		}
	}
	kind := param(r, "consumer_type")
	if kind != "" && kind != allTypes && kind != unknownType && strings.Trim(kind, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return nil, errs.New(errs.Invalid, "Invalid query string parameters: consumer_type %.300q is neither %q, %q nor made of A-Z, 0-9 and _.", kind, allTypes, unknownType)
	}
	report, err := a.svc.ProjectUsages(ctx, param(r, "project_id"), param(r, "user_id"))
	if err != nil {
		return nil, err
	}
	if !r.AtLeast(1, 38) {
		sums := map[string]int64{}
		for _, u := range report.Usages {
			sums[u.Class] += u.Used
		}
		return dated(r, httpx.JSON(http.StatusOK, object{"usages": sums}), time.Time{}), nil
	}
	groups := map[string]map[string]int64{}
	group := func(of string) map[string]int64 {
		name := cmp.Or(of, unknownType)
		if kind == allTypes {
			name = allTypes
		}
		if kind != "" && kind != name {
			return map[string]int64{} // not asked for
		}
		if groups[name] == nil {
			groups[name] = map[string]int64{}
		}
		return groups[name]
	}
	for _, u := range report.Usages {
		group(u.ConsumerType)[u.Class] += u.Used
	}
	for of, n := range report.Consumers {
		group(of)["consumer_count"] += n
	}
	return dated(r, httpx.JSON(http.StatusOK, object{"usages": groups}), time.Time{}), nil
}
