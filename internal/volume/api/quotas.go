package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/rest"
)

// quotaRoutes are quotas, their classes, and limits.
func (a *api) quotaRoutes() []httpx.Route {
	const p = "volume_extension:"
	sets, classes := "/v3/os-quota-sets/{target_project_id}", "/v3/os-quota-class-sets/{quota_class}"
	show := route("GET", sets, p+"quotas:show", a.showQuota)
	show.Variants = []string{"usage=True"}
	return []httpx.Route{
		show,
		route("GET", sets+"/defaults", p+"quotas:show", a.defaultQuota),
		route("PUT", sets, p+"quotas:update", a.updateQuota),
		route("DELETE", sets, p+"quotas:delete", a.deleteQuota),
		route("GET", classes, p+"quota_classes:get", a.showQuotaClass),
		route("PUT", classes, p+"quota_classes:update", a.updateQuotaClass),
		route("GET", "/v3/limits", "", a.limits),
	}
}

func (a *api) showQuota(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	usage, err := r.Bool("usage", false)
	if err != nil {
		return nil, err
	}
	id := r.Var("target_project_id")
	quotas, err := a.svc.Quotas.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	set := object{"id": id}
	for k, q := range quotas {
		if set[k] = q.Limit; usage {
			set[k] = object{"limit": q.Limit, "in_use": q.InUse, "reserved": q.Reserved, "allocated": 0}
		}
	}
	return httpx.JSON(http.StatusOK, object{"quota_set": set}), nil
}

// limitsAnswer answers with limits under a key, and the id of whose they are if it is not "".
func limitsAnswer(key, id string, limits map[string]int64, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	set := object{}
	for k, v := range limits {
		set[k] = v
	}
	if id != "" {
		set["id"] = id
	}
	return httpx.JSON(http.StatusOK, object{key: set}), nil
}

func (a *api) defaultQuota(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	id := r.Var("target_project_id")
	limits, err := a.svc.Quotas.Defaults(ctx, id)
	return limitsAnswer("quota_set", id, limits, err)
}

var (
	quotaSetSchema   = fixed(wrapped("quota_set", object{"type": "object", "minProperties": 1}))
	quotaClassSchema = fixed(wrapped("quota_class_set", object{
		"type": "object", "propertyNames": object{"pattern": `^[a-zA-Z0-9-_:. ]{1,300}$`},
		"additionalProperties": object{"type": list{"integer", "string"}, "pattern": "^-?[0-9]+$", "minimum": -1, "maximum": maxInt},
	}))
)

// limitsOf reads limits, which may come as digits; ids among them say nothing.
func limitsOf(r *httpx.Request, s *rest.Schema, key string) (map[string]int64, error) {
	b, err := rest.Body[map[string]map[string]json.RawMessage](r, s)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for k, raw := range b[key] {
		if k == "tenant_id" || k == "id" || k == "project_id" {
			continue
		}
		var n rest.Int
		if err := json.Unmarshal(raw, &n); err != nil || string(raw) == "null" || string(raw) == `""` {
			return nil, bad("%s must be an integer, not %.40s", k, raw)
		}
		if n < -1 || n > maxInt {
			return nil, bad("%s must be between -1 and %d, not %d", k, maxInt, n)
		}
		out[k] = int64(n)
	}
	return out, nil
}

func (a *api) updateQuota(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	set, err := limitsOf(r, quotaSetSchema, "quota_set")
	if err != nil {
		return nil, err
	}
	if len(r.Var("target_project_id")) > 255 {
		return nil, bad("Invalid input received: quota_set_name has more than 255 characters")
	}
	limits, err := a.svc.Quotas.Update(ctx, r.Var("target_project_id"), set)
	return limitsAnswer("quota_set", "", limits, err)
}

func (a *api) deleteQuota(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Quotas.Reset(ctx, r.Var("target_project_id")); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusOK), nil
}

func (a *api) showQuotaClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	class := r.Var("quota_class")
	limits, err := a.svc.Quotas.Class(ctx, class)
	return limitsAnswer("quota_class_set", class, limits, err)
}

func (a *api) updateQuotaClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	set, err := limitsOf(r, quotaClassSchema, "quota_class_set")
	if err != nil {
		return nil, err
	}
	if len(r.Var("quota_class")) > 255 {
		return nil, bad("Invalid input received: quota_class_name has more than 255 characters")
	}
	limits, err := a.svc.Quotas.UpdateClass(ctx, r.Var("quota_class"), set)
	return limitsAnswer("quota_class_set", "", limits, err)
}

// absolute are limits and use under the names of the limits API.
var absolute = []struct{ resource, most, used string }{
	{"volumes", "maxTotalVolumes", "totalVolumesUsed"},
	{"gigabytes", "maxTotalVolumeGigabytes", "totalGigabytesUsed"},
	{"snapshots", "maxTotalSnapshots", "totalSnapshotsUsed"},
	{"backups", "maxTotalBackups", "totalBackupsUsed"},
	{"backup_gigabytes", "maxTotalBackupGigabytes", "totalBackupGigabytesUsed"},
}

func (a *api) limits(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	project := ""
	if r.AtLeast(3, 39) {
		if project = r.Query.Get("project_id"); project == "" {
			project = r.Query.Get("tenant_id")
		}
	}
	quotas, used, err := a.svc.Quotas.Limits(ctx, project)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.Object("limits", func() {
				w.List("rate", func() {})
				w.Object("absolute", func() { writeAbsolute(w, quotas, used) })
			})
		})
	}), nil
}

func writeAbsolute(w *rest.Writer, quotas quota.Account, used bool) {
	for _, l := range absolute {
		w.Int(l.most, quotas[l.resource].Limit)
		if used {
			w.Int(l.used, quotas[l.resource].InUse)
		}
	}
}

// resourceFilters are what lists may be filtered by, for those who are no administrators.
var resourceFilters = []struct {
	resource string
	filters  []string
}{
	{"volume", []string{"name", "status", "metadata", "bootable", "migration_status", "availability_zone", "group_id", "size", "created_at", "updated_at", "consumes_quota"}},
	{"backup", []string{"name", "status", "volume_id"}},
	{"snapshot", []string{"name", "status", "volume_id", "metadata", "availability_zone", "consumes_quota"}},
	{"group", []string{"name"}},
	{"group_snapshot", []string{"name", "status", "group_id"}},
	{"attachment", []string{"volume_id", "status", "instance_id", "attach_status"}},
	{"message", []string{"resource_uuid", "resource_type", "event_id", "request_id", "message_level"}},
	{"pool", []string{"name", "volume_type"}},
	{"volume_type", []string{"is_public", "extra_specs"}},
}

func (a *api) listResourceFilters(_ context.Context, r *httpx.Request) (*httpx.Response, error) {
	only := r.Query["resource"]
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("resource_filters", func() {
				for _, f := range resourceFilters {
					if len(only) > 0 && !slices.Contains(only, f.resource) {
						continue
					}
					w.Object("", func() {
						w.Text("resource", f.resource)
						w.Texts("filters", f.filters)
					})
				}
			})
		})
	}), nil
}
