package api

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/placement"
)

const (
	unknownType = "unknown" // of consumers that were made before there were types
	allTypes    = "all"
)

func (a *api) providerUsages(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, list, err := a.svc.Inventories.Usages(ctx, r.Var("uuid"))
	if err != nil {
		return nil, err
	}
	return answer(r, http.StatusOK, time.Time{}, func(w *rest.Writer) {
		w.Object("usages", func() {
			for _, i := range list {
				w.Int(i.Class, i.Used)
			}
		})
		w.Int("resource_provider_generation", p.Generation)
	}), nil
}

func (a *api) usages(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	kind, err := usageParams(r)
	if err != nil {
		return nil, err
	}
	report, err := a.svc.Allocations.ProjectUsages(ctx, param(r, "project_id"), param(r, "user_id"))
	if err != nil {
		return nil, err
	}
	return answer(r, http.StatusOK, time.Time{}, func(w *rest.Writer) {
		if r.AtLeast(1, 38) {
			w.Any("usages", usagesByType(report, kind))
			return
		}
		sums := map[string]int64{}
		for _, u := range report.Usages {
			sums[u.Class] += u.Used
		}
		w.Any("usages", sums)
	}), nil
}

// usageParams checks the query string and returns the type of consumer it asks for.
func usageParams(r *httpx.Request) (kind string, err error) {
	known := []string{"project_id", "user_id"}
	if r.AtLeast(1, 38) {
		known = append(known, "consumer_type")
	}
	if err := onlyParams(r, known...); err != nil {
		return "", err
	}
	for _, name := range known {
		if v := param(r, name); (r.Query.Has(name) || name == "project_id") && (v == "" || len(v) > 255) {
			return "", errs.New(errs.Invalid, "Invalid query string parameters: %s is required and has 1 to 255 characters, not %.300q.", name, v)
		}
	}
	kind = param(r, "consumer_type")
	if kind != "" && kind != allTypes && kind != unknownType && strings.Trim(kind, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return "", errs.New(errs.Invalid, "Invalid query string parameters: consumer_type %.300q is neither %q, %q nor made of A-Z, 0-9 and _.", kind, allTypes, unknownType)
	}
	return kind, nil
}

// usagesByType sums by type of consumer: those of one kind, all as one, or, for "", each.
func usagesByType(report placement.UsageReport, kind string) map[string]map[string]int64 {
	groups := map[string]map[string]int64{}
	add := func(of, class string, n int64) {
		name := cmp.Or(of, unknownType)
		if kind == allTypes {
			name = allTypes
		}
		if kind != "" && kind != name {
			return // not asked for
		}
		if groups[name] == nil {
			groups[name] = map[string]int64{}
		}
		groups[name][class] += n
	}
	for _, u := range report.Usages {
		add(u.ConsumerType, u.Class, u.Used)
	}
	for of, n := range report.Consumers {
		add(of, "consumer_count", n)
	}
	return groups
}
