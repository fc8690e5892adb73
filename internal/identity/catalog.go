package identity

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// TokenServiceProviders lists the enabled service providers, which tokens with a scope name.
func (s *Service) TokenServiceProviders(ctx context.Context) ([]ServiceProvider, error) {
	if list, ok := s.providers.get("all"); ok {
		return list, nil
	}
	at := s.watch.now()
	list, err := read(ctx, s, func(tx *store.Tx) ([]ServiceProvider, error) {
		return find(ctx, tx, s.store.ServiceProviders, store.Eq("enabled", true))
	})
	if err == nil {
		s.providers.put("all", list, at, []string{catalogTag})
	}
	return list, err
}

// CatalogItem is a service with the endpoints a project sees.
type CatalogItem struct {
	CatalogService
	Endpoints []Endpoint
}

// Catalog returns what a session's scope sees. Its URLs are still templates;
// RenderURL makes them whole.
func (s *Service) Catalog(ctx context.Context, se *Session) ([]CatalogItem, error) {
	project := ""
	if se.Project != nil {
		project = se.Project.ID
	}
	if se.Token.Scope.Kind == Unscoped {
		return nil, nil
	}
	if items, ok := s.catalogs.get(project); ok {
		return items, nil
	}
	at := s.watch.now()
	items, err := read(ctx, s, func(tx *store.Tx) ([]CatalogItem, error) { return s.loadCatalog(ctx, tx, project) })
	if err != nil {
		return nil, err
	}
	s.catalogs.put(project, items, at, []string{catalogTag, projectTag(project)})
	return items, nil
}

// maxRendered is how many texts of catalogues are remembered; each has some thousand bytes.
const maxRendered = 1000

// RenderCatalog returns what render makes of a session's catalogue for clients
// that reach the cloud under root. It is remembered for the project, unless its
// URLs tell users apart: logins to one project have all but this in common.
func (s *Service) RenderCatalog(ctx context.Context, se *Session, root string, render func([]CatalogItem) ([]byte, error)) ([]byte, error) {
	at := s.watch.now()
	items, err := s.Catalog(ctx, se)
	if err != nil {
		return nil, err
	}
	if se.Project == nil || forUsers(items) {
		return render(items)
	}
	key := se.Project.ID + "|" + root
	if text, ok := s.rendered.get(key); ok {
		return text, nil
	}
	text, err := render(items)
	if err == nil {
		s.rendered.put(key, text, at, []string{catalogTag, projectTag(se.Project.ID)})
	}
	return text, err
}

// forUsers tells whether a URL holds a user's id.
func forUsers(items []CatalogItem) bool {
	return slices.ContainsFunc(items, func(it CatalogItem) bool {
		return slices.ContainsFunc(it.Endpoints, func(e Endpoint) bool { return strings.Contains(e.URL, "(user_id)s") })
	})
}

func (s *Service) loadCatalog(ctx context.Context, tx *store.Tx, project string) ([]CatalogItem, error) {
	services, err := find(ctx, tx, s.store.Services, store.Eq("enabled", true))
	if err != nil {
		return nil, err
	}
	endpoints, err := s.visibleEndpoints(ctx, tx, project)
	if err != nil {
		return nil, err
	}
	items := make([]CatalogItem, 0, len(services))
	for _, svc := range services {
		item := CatalogItem{CatalogService: svc}
		for _, e := range endpoints {
			if e.ServiceID == svc.ID && e.Enabled {
				item.Endpoints = append(item.Endpoints, e)
			}
		}
		items = append(items, item)
	}
	slices.SortFunc(items, func(a, b CatalogItem) int { return strings.Compare(a.Type+a.Name+a.ID, b.Type+b.Name+b.ID) })
	return items, nil
}

// visibleEndpoints returns all endpoints, or, if any are associated with the
// project, directly or by a group, those alone.
func (s *Service) visibleEndpoints(ctx context.Context, tx *store.Tx, project string) ([]Endpoint, error) {
	all, err := find(ctx, tx, s.store.Endpoints)
	if err != nil || project == "" {
		return all, err
	}
	links, err := s.store.EndpointGroups.Links(ctx, tx, EndpointLink{ProjectID: project})
	if err != nil || len(links) == 0 {
		return all, err
	}
	return s.linkedEndpoints(ctx, tx, all, links)
}

func (s *Service) linkedEndpoints(ctx context.Context, tx *store.Tx, all []Endpoint, links []EndpointLink) ([]Endpoint, error) {
	seen := map[string]bool{}
	for _, l := range links {
		if l.GroupID == "" {
			seen[l.EndpointID] = true
			continue
		}
		g, err := get(ctx, tx, s.store.EndpointGroups.Table, l.GroupID)
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			if g.selects(e) {
				seen[e.ID] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(e Endpoint) bool { return !seen[e.ID] }), nil
}

// selects tells whether the group's filters fit an endpoint.
func (g EndpointGroup) selects(e Endpoint) bool {
	for k, v := range g.Filters {
		switch k {
		case "service_id":
			if e.ServiceID != v {
				return false
			}
		case "region_id":
			if e.RegionID != v {
				return false
			}
		case "interface":
			if e.Interface != v {
				return false
			}
		}
	}
	return true
}

// urlMark is a place in an endpoint's URL that is filled in for each token.
var urlMark = regexp.MustCompile(`[%$]\(([^)]*)\)(s?)`)

// validTemplate refuses a URL with marks that nobody would fill in: what is in a
// catalogue is for everybody's eyes, and only ids of the token belong into it.
func validTemplate(url string) error {
	rest := urlMark.ReplaceAllStringFunc(url, func(mark string) string {
		m := urlMark.FindStringSubmatch(mark)
		if m[2] == "s" && slices.Contains([]string{"project_id", "tenant_id", "domain_id", "user_id"}, m[1]) {
			return ""
		}
		return mark
	})
	if strings.Contains(rest, "$(") || strings.Contains(rest, "%(") {
		return errs.New(errs.Invalid, "Invalid input for field/attribute url. Value: %.200s. It has a mark that is not one of %%(project_id)s, %%(tenant_id)s, %%(domain_id)s and %%(user_id)s.", url)
	}
	return nil
}

// RenderURL makes a template whole: a leading slash stands for root, the
// cloud's address as the client reached it, and $(project_id)s and its kin for
// the session's ids. ok is false if the scope lacks an id that the URL needs.
func RenderURL(template, root string, se *Session) (url string, ok bool) {
	if strings.HasPrefix(template, "/") {
		template = root + template
	}
	if !strings.Contains(template, "(") {
		return template, true
	}
	project, domain, user := "", "", ""
	if se != nil {
		user = se.User.ID
		if se.Project != nil {
			project = se.Project.ID
		}
		if se.Domain != nil {
			domain = se.Domain.ID
		}
	}
	for name, value := range map[string]string{"project_id": project, "tenant_id": project, "domain_id": domain, "user_id": user} {
		for _, mark := range []string{"$(" + name + ")s", "%(" + name + ")s"} {
			if strings.Contains(template, mark) {
				if value == "" {
					return "", false
				}
				template = strings.ReplaceAll(template, mark, value)
			}
		}
	}
	return template, true
}
