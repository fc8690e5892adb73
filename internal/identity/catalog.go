package identity

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/identity/catalog"
	"kumoi/internal/identity/family"
	"kumoi/internal/identity/federation"
	"kumoi/internal/kernel/store"
)

// TokenServiceProviders lists the enabled service providers, which tokens with a scope name.
func (s *Service) TokenServiceProviders(ctx context.Context) ([]federation.ServiceProvider, error) {
	if list, ok := s.providers.get("all"); ok {
		return list, nil
	}
	at := s.watch.now()
	list, err := family.Read(ctx, s.db, func(tx *store.Tx) ([]federation.ServiceProvider, error) {
		return family.Find(ctx, tx, s.store.Federation.ServiceProviders, store.Eq("enabled", true))
	})
	if err == nil {
		s.providers.put("all", list, at, []string{family.CatalogTag})
	}
	return list, err
}

// CatalogOf returns what a session's scope sees. Its URLs are still templates;
// RenderURL makes them whole.
func (s *Service) CatalogOf(ctx context.Context, se *Session) ([]catalog.Item, error) {
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
	items, err := family.Read(ctx, s.db, func(tx *store.Tx) ([]catalog.Item, error) { return s.Catalog.Visible(ctx, tx, project) })
	if err != nil {
		return nil, err
	}
	s.catalogs.put(project, items, at, []string{family.CatalogTag, projectTag(project)})
	return items, nil
}

// maxRendered is how many texts of catalogues are remembered; each has some thousand bytes.
const maxRendered = 1000

// RenderCatalog returns what render makes of a session's catalogue for clients
// that reach the cloud under root. It is remembered for the project, unless its
// URLs tell users apart: logins to one project have all but this in common.
func (s *Service) RenderCatalog(ctx context.Context, se *Session, root string, render func([]catalog.Item) ([]byte, error)) ([]byte, error) {
	at := s.watch.now()
	items, err := s.CatalogOf(ctx, se)
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
		s.rendered.put(key, text, at, []string{family.CatalogTag, projectTag(se.Project.ID)})
	}
	return text, err
}

// forUsers tells whether a URL holds a user's id.
func forUsers(items []catalog.Item) bool {
	return slices.ContainsFunc(items, func(it catalog.Item) bool {
		return slices.ContainsFunc(it.Endpoints, func(e catalog.Endpoint) bool { return strings.Contains(e.URL, "(user_id)s") })
	})
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
