package api

import (
	"kumoi/internal/identity"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

func domains(svc *identity.Service) *resource[identity.Project] {
	return ordinary(resource[identity.Project]{
		Path: "/v3/domains", Item: "domain_id", One: "domain", Many: "domains", Query: listOf("name", "enabled"), View: view(domainRow),
	}, svc.Domains, domainCreate, domainUpdate, applyDomain, projectID)
}

func domainRow(w *rest.Writer, r *httpx.Request, d *identity.Project) {
	w.Text("id", d.ID)
	w.Text("name", d.Name)
	w.Bool("enabled", d.Enabled)
	w.Text("description", d.Description)
	w.Texts("tags", d.Tags)
	attrs(w, "options", d.Options)
	links(w, r, "/domains/"+d.ID)
	extra(w, d.Extra, "name", "enabled", "description", "tags", "options")
}

// applyDomain is applyProject without what a domain does not have.
func applyDomain(o object, d *identity.Project) error {
	own := object{}
	for k, v := range o {
		switch k {
		case "domain_id", "parent_id", "is_domain":
		default:
			own[k] = v
		}
	}
	if d.ID == "" {
		d.ID = str(o, "explicit_domain_id")
	}
	return applyProject(own, d)
}
