package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/rest"
)

// quotaKeys are the resources that a quota set shows in a version.
func quotaKeys(r *httpx.Request) []string {
	keys := []string{"cores", "instances", "key_pairs", "metadata_items", "ram", "server_groups", "server_group_members"}
	if !r.AtLeast(2, 57) {
		keys = append(keys, "injected_file_content_bytes", "injected_file_path_bytes", "injected_files")
	}
	if !r.AtLeast(2, 36) {
		keys = append(keys, "fixed_ips", "floating_ips", "security_group_rules", "security_groups")
	}
	return keys
}

func quotaDoc(r *httpx.Request, id string, q quota.Account) object {
	doc := object{}
	if id != "" {
		doc["id"] = id
	}
	for _, k := range quotaKeys(r) {
		doc[k] = q[k].Limit
	}
	return object{"quota_set": doc}
}

func quotaQuery(r *httpx.Request) (string, error) {
	if r.AtLeast(2, 75) {
		if err := onlyKnown(r, "user_id"); err != nil {
			return "", err
		}
	}
	return r.Query.Get("user_id"), nil
}

func (a *quotas) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	user, err := quotaQuery(r)
	if err != nil {
		return nil, err
	}
	q, err := a.svc.Quotas.Show(ctx, "os-quota-sets:show", r.Var("project_id"), user)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, quotaDoc(r, r.Var("project_id"), q)), nil
}

func (a *quotas) detail(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	user, err := quotaQuery(r)
	if err != nil {
		return nil, err
	}
	q, err := a.svc.Quotas.Show(ctx, "os-quota-sets:detail", r.Var("project_id"), user)
	if err != nil {
		return nil, err
	}
	doc := object{"id": r.Var("project_id")}
	for _, k := range quotaKeys(r) {
		doc[k] = object{"limit": q[k].Limit, "in_use": q[k].InUse, "reserved": q[k].Reserved}
	}
	return httpx.JSON(http.StatusOK, object{"quota_set": doc}), nil
}

func (a *quotas) defaults(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := a.svc.Quotas.Defaults(ctx, "os-quota-sets:defaults", r.Var("project_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, quotaDoc(r, r.Var("project_id"), asQuotas(q))), nil
}

func asQuotas(limits map[string]int64) quota.Account {
	out := quota.Account{}
	for k, v := range limits {
		out[k] = quota.Quota{Limit: v}
	}
	return out
}

// limitsOfBody is the schema of bodies that set limits.
func limitsOfBody(minor int, root string, more object) object {
	p := object{}
	keys := []string{"cores", "instances", "key_pairs", "metadata_items", "ram", "server_groups", "server_group_members"}
	if minor < 57 {
		keys = append(keys, "injected_file_content_bytes", "injected_file_path_bytes", "injected_files")
	}
	if minor < 36 || root == "quota_class_set" && minor < 50 {
		keys = append(keys, "fixed_ips", "floating_ips", "security_group_rules", "security_groups", "networks")
	}
	for _, k := range keys {
		p[k] = whole(-1, maxInt)
	}
	return wrapped(root, strict(nil, merged(p, more)))
}

var updateQuotaSchema = perVersion(func(minor int) object {
	return limitsOfBody(minor, "quota_set", object{"force": boolType, "tenant_id": anything, "id": anything})
})

func (a *quotas) update(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	user, err := quotaQuery(r)
	if err != nil {
		return nil, err
	}
	if _, err := updateQuotaSchema.Check(r); err != nil {
		return nil, err
	}
	set, force, err := limitsOf(r, "quota_set")
	if err != nil {
		return nil, err
	}
	q, err := a.svc.Quotas.Set(ctx, r.Var("project_id"), user, set, force)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, quotaDoc(r, "", q)), nil
}

// limitsOf reads the numbers of a checked body.
func limitsOf(r *httpx.Request, root string) (map[string]int64, bool, error) {
	all, err := r.Object()
	if err != nil {
		return nil, false, err
	}
	set, force := map[string]int64{}, false
	inner, _ := all[root].(map[string]any)
	for k, v := range inner {
		switch k {
		case "force":
			force, _ = httpx.ParseBool(text(v))
		case "tenant_id", "id":
		default:
			var n rest.Int
			if err := n.UnmarshalJSON([]byte(strings.TrimSpace(text(v)))); err != nil {
				return nil, false, err
			}
			set[k] = int64(n)
		}
	}
	return set, force, nil
}

func (a *quotas) delete(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	user, err := quotaQuery(r)
	if err != nil {
		return nil, err
	}
	if err := a.svc.Quotas.Reset(ctx, r.Var("project_id"), user); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

func classDoc(r *httpx.Request, class string, limits map[string]int64) object {
	doc := object{"id": class}
	for _, k := range quotaKeys(r) {
		if !r.AtLeast(2, 50) && strings.HasPrefix(k, "server_group") {
			continue
		}
		doc[k] = limits[k]
	}
	if r.AtLeast(2, 36) && !r.AtLeast(2, 50) {
		for _, k := range []string{"fixed_ips", "floating_ips", "security_group_rules", "security_groups"} {
			doc[k] = limits[k]
		}
	}
	return doc
}

func (a *quotas) showClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := a.svc.Quotas.Class(ctx, r.Var("quota_class"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"quota_class_set": classDoc(r, r.Var("quota_class"), q)}), nil
}

var updateClassSchema = perVersion(func(minor int) object { return limitsOfBody(minor, "quota_class_set", object{}) })

func (a *quotas) updateClass(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if _, err := updateClassSchema.Check(r); err != nil {
		return nil, err
	}
	set, _, err := limitsOf(r, "quota_class_set")
	if err != nil {
		return nil, err
	}
	if len(r.Var("quota_class")) > 255 {
		return nil, bad("quota_class is longer than 255 characters")
	}
	q, err := a.svc.Quotas.SetClass(ctx, r.Var("quota_class"), set)
	if err != nil {
		return nil, err
	}
	doc := classDoc(r, "", q)
	delete(doc, "id")
	return httpx.JSON(http.StatusOK, object{"quota_class_set": doc}), nil
}

// limits is GET /limits: a project's quota and use under other names.
func (a *quotas) limits(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if r.AtLeast(2, 75) {
		if err := onlyKnown(r, "tenant_id", "reserved"); err != nil {
			return nil, err
		}
	}
	project := actor.From(ctx).ProjectID
	if other := r.Query.Get("tenant_id"); other != "" {
		project = other
	}
	if project == "" {
		return nil, errs.New(errs.Invalid, "Limits are a project's; the token has none.")
	}
	q, err := a.svc.Quotas.Limits(ctx, project)
	if err != nil {
		return nil, err
	}
	doc := object{
		"maxTotalInstances": q["instances"].Limit, "maxTotalCores": q["cores"].Limit, "maxTotalRAMSize": q["ram"].Limit,
		"maxServerMeta": q["metadata_items"].Limit, "maxTotalKeypairs": q["key_pairs"].Limit,
		"maxServerGroups": q["server_groups"].Limit, "maxServerGroupMembers": q["server_group_members"].Limit,
		"totalInstancesUsed": q["instances"].InUse, "totalCoresUsed": q["cores"].InUse, "totalRAMUsed": q["ram"].InUse,
		"totalServerGroupsUsed": q["server_groups"].InUse,
	}
	if !r.AtLeast(2, 39) {
		doc["maxImageMeta"] = q["metadata_items"].Limit
	}
	if !r.AtLeast(2, 57) {
		doc["maxPersonality"], doc["maxPersonalitySize"] = q["injected_files"].Limit, q["injected_file_content_bytes"].Limit
	}
	if !r.AtLeast(2, 36) {
		doc["maxTotalFloatingIps"], doc["maxSecurityGroups"], doc["maxSecurityGroupRules"] = q["floating_ips"].Limit, q["security_groups"].Limit, q["security_group_rules"].Limit
		doc["totalFloatingIpsUsed"], doc["totalSecurityGroupsUsed"] = 0, 0
	}
	return httpx.JSON(http.StatusOK, object{"limits": object{"rate": []object{}, "absolute": doc}}), nil
}
