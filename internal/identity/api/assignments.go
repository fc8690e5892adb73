package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

// assignment reads a grant from the path.
func assignment(r *httpx.Request) identity.Assignment {
	a := identity.Assignment{
		RoleID: r.Var("role_id"), ActorKind: identity.UserActor, ActorID: r.Var("user_id"),
		TargetKind: identity.SystemTarget, TargetID: identity.TheSystem,
		Inherited: strings.HasPrefix(r.Route.Path, "/v3/OS-INHERIT/"),
	}
	if g := r.Var("group_id"); g != "" {
		a.ActorKind, a.ActorID = identity.GroupActor, g
	}
	if p := r.Var("project_id"); p != "" {
		a.TargetKind, a.TargetID = identity.ProjectTarget, p
	} else if d := r.Var("domain_id"); d != "" {
		a.TargetKind, a.TargetID = identity.DomainTarget, d
	}
	return a
}

func (h *handlers) listGrants(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rows, err := h.svc.Grants.List(ctx, assignment(r))
	return all(ctx, r, h.roles, rows, err)
}

func (h *handlers) listAssignments(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q := identity.AssignmentQuery{
		UserID: r.Query.Get("user.id"), GroupID: r.Query.Get("group.id"), RoleID: r.Query.Get("role.id"),
		ProjectID: r.Query.Get("scope.project.id"), DomainID: r.Query.Get("scope.domain.id"), System: r.Query.Get("scope.system"),
		Effective: flag(r.Query, "effective"), IncludeSubtree: flag(r.Query, "include_subtree"), IncludeNames: flag(r.Query, "include_names"),
	}
	if r.Query.Has("scope.OS-INHERIT:inherited_to") {
		to := r.Query.Get("scope.OS-INHERIT:inherited_to")
		if to != "projects" {
			return nil, errs.New(errs.Invalid, "scope.OS-INHERIT:inherited_to can only be projects, not %q.", to)
		}
		yes := true
		q.Inherited = &yes
	}
	var err error
	if q.Limit, err = r.Limit(0); err != nil {
		return nil, err
	}
	q.Marker = r.Query.Get("marker")
	page, err := h.svc.Assignments.List(ctx, q)
	if err != nil {
		return nil, err
	}
	return roleAssignments.Rows(ctx, r, http.StatusOK, page, store.Query{Limit: q.Limit})
}

var roleAssignments = assignmentRows()

func assignmentRows() *resource[identity.EffectiveAssignment] {
	c := shown("role_assignment", "role_assignments", assignmentRow)
	c.ID = func(a *identity.EffectiveAssignment) string { return a.Marker() }
	return c
}

func named2(id, name, domain, domainName string, names bool) object {
	o := object{"id": id}
	if names {
		o["name"] = name
		if domain != "" {
			o["domain"] = object{"id": domain, "name": domainName}
		}
	}
	return o
}

func assignmentRow(w *rest.Writer, r *httpx.Request, a *identity.EffectiveAssignment) {
	n, names := a.Names, a.Names != nil
	if n == nil {
		n = &identity.AssignmentNames{}
	}
	links := object{}
	scope := object{}
	link := "/system"
	switch a.TargetKind {
	case identity.ProjectTarget:
		scope["project"] = named2(a.TargetID, n.Target, n.TargetDomain, n.TargetDomainName, names)
		link = "/projects/" + a.TargetID
	case identity.DomainTarget:
		d := object{"id": a.TargetID}
		if names {
			d["name"] = n.Target
		}
		scope["domain"] = d
		link = "/domains/" + a.TargetID
	case identity.SystemTarget:
		scope["system"] = object{"all": true}
	}
	inherited := a.Inherited || a.ViaTarget != ""
	if a.ViaTarget != "" {
		link = map[identity.TargetKind]string{identity.DomainTarget: "/domains/", identity.ProjectTarget: "/projects/"}[a.ViaKind] + a.ViaTarget
	}
	if inherited {
		scope["OS-INHERIT:inherited_to"] = "projects"
		link = "/OS-INHERIT" + link
	}
	w.Any("role", named2(a.RoleID, n.Role, n.RoleDomain, n.RoleDomainName, names))
	w.Any("scope", scope)
	w.Any(string(a.ActorKind), named2(a.ActorID, n.Actor, n.ActorDomain, n.ActorDomainName, names))
	if a.ViaGroup != "" {
		link += "/groups/" + a.ViaGroup
		links["membership"] = v3(r, "/groups/%s/users/%s", a.ViaGroup, a.ActorID)
	} else {
		link += "/" + string(a.ActorKind) + "s/" + a.ActorID
	}
	role := a.RoleID
	if a.ViaRole != "" {
		role = a.ViaRole
		links["prior_role"] = v3(r, "/prior_role/%s/implies/%s", a.ViaRole, a.RoleID)
	}
	link += "/roles/" + role
	if inherited {
		link += "/inherited_to_projects"
	}
	links["assignment"] = v3(r, "%s", link)
	w.Any("links", links)
}
