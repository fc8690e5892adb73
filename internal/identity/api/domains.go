package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/httpx"
)

func splitComma(s string) []string { return strings.Split(s, ",") }

func fullDomainView(r *httpx.Request, d identity.Project) object {
	tags := d.Tags
	if tags == nil {
		tags = []string{}
	}
	v := object{
		"id": d.ID, "name": d.Name, "enabled": d.Enabled, "description": d.Description, "tags": tags,
		"options": attrs(d.Options), "links": self(r, "/domains/"+d.ID),
	}
	return with(v, d.Extra)
}

func domainResponse(r *httpx.Request, status int, d identity.Project, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.JSON(status, object{"domain": fullDomainView(r, d)}), nil
}

func (h *handlers) listDomains(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := filters(r, "name", "enabled")
	if err != nil {
		return nil, err
	}
	page, err := h.svc.ListDomains(ctx, q)
	if err != nil {
		return nil, err
	}
	return collection(r, "domains", page, func(p identity.Project) string { return p.ID }, fullDomainView), nil
}

func (h *handlers) createDomain(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "domain", domainCreate)
	if err != nil {
		return nil, err
	}
	d := identity.Project{Enabled: true, ID: str(o, "explicit_domain_id")}
	if err := domainPatch(o)(&d); err != nil {
		return nil, err
	}
	d, err = h.svc.CreateDomain(ctx, d)
	return domainResponse(r, http.StatusCreated, d, err)
}

// domainPatch is projectPatch without what a domain does not have.
func domainPatch(o object) identity.ProjectChange {
	own := object{}
	for k, v := range o {
		switch k {
		case "domain_id", "parent_id", "is_domain":
		default:
			own[k] = v
		}
	}
	return projectPatch(own)
}

func (h *handlers) showDomain(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	d, err := h.svc.GetDomain(ctx, r.Var("domain_id"))
	return domainResponse(r, http.StatusOK, d, err)
}

func (h *handlers) updateDomain(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	o, err := body(r, "domain", domainUpdate)
	if err != nil {
		return nil, err
	}
	if err := sameID(o, r.Var("domain_id"), "Domain"); err != nil {
		return nil, err
	}
	d, err := h.svc.UpdateDomain(ctx, r.Var("domain_id"), domainPatch(o))
	return domainResponse(r, http.StatusOK, d, err)
}

func (h *handlers) deleteDomain(ctx context.Context, r *httpx.Request) error {
	return h.svc.DeleteDomain(ctx, r.Var("domain_id"))
}
