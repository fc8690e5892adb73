package api

import (
	"context"
	"net/http"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

func (h *handlers) domainConfigRoutes() []httpx.Route {
	const config = "/v3/domains/{domain_id}/config"
	var out []httpx.Route
	for _, part := range []string{"", "/{group}", "/{group}/{option}"} {
		out = append(out,
			get("/v3/domains/config"+part+"/default", "identity:get_domain_config_default", h.defaultConfig),
			get(config+part, "identity:get_domain_config", h.showConfig),
			route(http.MethodPatch, config+part, "identity:update_domain_config", h.updateConfig),
			route(http.MethodDelete, config+part, "identity:delete_domain_config", done(h.deleteConfig)))
	}
	return append(out, route(http.MethodPut, config, "identity:create_domain_config", h.putConfig))
}

// configView narrows the answer as Keystone does: an option answers itself
// alone, a group its name and content, the whole all groups.
func configView(c identity.DomainConfig, group, option string) object {
	if option != "" {
		return object{"config": object{option: c[group][option]}}
	}
	out := object{}
	for g, options := range c {
		out[g] = options
	}
	return object{"config": out}
}

func (h *handlers) defaultConfig(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	c, err := h.svc.DomainConfigs.Default(ctx, r.Var("group"), r.Var("option"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, configView(c, r.Var("group"), r.Var("option"))), nil
}

func (h *handlers) showConfig(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	c, err := h.svc.DomainConfigs.Show(ctx, r.Var("domain_id"), r.Var("group"), r.Var("option"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, configView(c, r.Var("group"), r.Var("option"))), nil
}

// configBody reads groups of options.
func configBody(r *httpx.Request) (identity.DomainConfig, error) {
	o, err := readObject(r, "config", nil)
	if err != nil {
		return nil, err
	}
	if len(o) == 0 {
		return nil, errs.New(errs.Forbidden, "Invalid domain specific configuration: no options specified.")
	}
	c := identity.DomainConfig{}
	for group, v := range o {
		options, ok := v.(object)
		if !ok || len(options) == 0 {
			return nil, errs.New(errs.Forbidden, "Invalid domain specific configuration: the value of group %s specified in the config should be a dictionary of options.", group)
		}
		c[group] = options
	}
	return c, nil
}

func (h *handlers) putConfig(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	c, err := configBody(r)
	if err != nil {
		return nil, err
	}
	created, err := h.svc.DomainConfigs.Set(ctx, r.Var("domain_id"), c)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return httpx.JSON(status, configView(c, "", "")), nil
}

func (h *handlers) updateConfig(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	group, option := r.Var("group"), r.Var("option")
	o, err := readObject(r, "config", nil)
	if err != nil {
		return nil, err
	}
	var c identity.DomainConfig
	if _, nested := o[group].(object); option != "" && !nested {
		c = identity.DomainConfig{group: o} // one option may come without its group
	} else if c, err = configBody(r); err != nil {
		return nil, err
	}
	if c, err = h.svc.DomainConfigs.Update(ctx, r.Var("domain_id"), group, option, c); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, configView(c, "", "")), nil
}

func (h *handlers) deleteConfig(ctx context.Context, r *httpx.Request) error {
	return h.svc.DomainConfigs.Delete(ctx, r.Var("domain_id"), r.Var("group"), r.Var("option"))
}
