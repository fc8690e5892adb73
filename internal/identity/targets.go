package identity

import (
	"maps"

	"kumoi/internal/kernel/policy"
)

// none is how the rule language writes an attribute that is not set.
func none(s string) string {
	if s == "" {
		return "None"
	}
	return s
}

func targetOf(parts ...policy.Target) policy.Target {
	t := policy.Target{}
	for _, p := range parts {
		maps.Copy(t, p)
	}
	return t
}

func projectTarget(p Project) policy.Target {
	return policy.Target{
		"target.project.id": p.ID, "target.project.name": p.Name, "target.project.domain_id": none(p.DomainID),
		"target.project.parent_id": none(p.ParentID), "target.project.is_domain": titled(p.IsDomain),
	}
}

func domainTarget(id string) policy.Target { return policy.Target{"target.domain.id": id} }

func userTarget(u User) policy.Target {
	return policy.Target{"target.user.id": u.ID, "target.user.name": u.Name, "target.user.domain_id": u.DomainID, "user_id": u.ID}
}

func groupTarget(g Group) policy.Target {
	return policy.Target{"target.group.id": g.ID, "target.group.name": g.Name, "target.group.domain_id": g.DomainID, "group_id": g.ID}
}

func roleTarget(r Role) policy.Target {
	return policy.Target{"target.role.id": r.ID, "target.role.name": r.Name, "target.role.domain_id": none(r.DomainID)}
}

// titled writes a boolean as the rule language does.
func titled(b bool) string {
	if b {
		return "True"
	}
	return "False"
}
