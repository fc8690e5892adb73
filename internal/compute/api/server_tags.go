package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

var tagsSchema = fixed(strict(list{"tags"}, object{"tags": object{"type": "array", "items": tagType, "maxItems": 50}}))

func (a *tags) list(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	s, err := a.svc.Servers.Show(ctx, r.Var("server_id"), "os-server-tags:index")
	if err != nil {
		return nil, err
	}
	return tagsResponse(s.Tags), nil
}

func tagsResponse(tags []string) *httpx.Response {
	if tags == nil {
		tags = []string{}
	}
	return httpx.JSON(http.StatusOK, object{"tags": tags})
}

func (a *tags) replace(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct{ Tags []string }](r, tagsSchema)
	if err != nil {
		return nil, err
	}
	tags, err := a.svc.Servers.SetTags(ctx, r.Var("server_id"), "os-server-tags:update_all", func([]string) ([]string, error) {
		slices.Sort(b.Tags)
		return slices.Compact(b.Tags), nil
	})
	if err != nil {
		return nil, err
	}
	return tagsResponse(tags), nil
}

func (a *tags) deleteAll(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	_, err := a.svc.Servers.SetTags(ctx, r.Var("server_id"), "os-server-tags:delete_all", func([]string) ([]string, error) { return nil, nil })
	if err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

func noTag(r *httpx.Request) error {
	return errs.New(errs.NotFound, "Server %s has no tag '%s'", r.Var("server_id"), r.Var("tag"))
}

func (a *tags) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	s, err := a.svc.Servers.Show(ctx, r.Var("server_id"), "os-server-tags:show")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(s.Tags, r.Var("tag")) {
		return nil, noTag(r)
	}
	return httpx.NoContent(), nil
}

func (a *tags) add(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	tag := r.Var("tag")
	if n := utf8.RuneCountInString(tag); n == 0 || n > 60 || strings.ContainsAny(tag, ",/") {
		return nil, bad("Tag '%s' is invalid. It must be a non empty string without characters '/' and ',' and of at most 60 characters.", tag)
	}
	fresh := false
	_, err := a.svc.Servers.SetTags(ctx, r.Var("server_id"), "os-server-tags:update", func(tags []string) ([]string, error) {
		if fresh = !slices.Contains(tags, tag); !fresh {
			return tags, nil
		}
		tags = append(tags, tag)
		slices.Sort(tags)
		return tags, nil
	})
	if err != nil {
		return nil, err
	}
	if !fresh {
		return httpx.NoContent(), nil
	}
	return httpx.Empty(http.StatusCreated).With("Location", r.Link("/v2.1/servers/%s/tags/%s", r.Var("server_id"), tag)), nil
}

func (a *tags) delete(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	_, err := a.svc.Servers.SetTags(ctx, r.Var("server_id"), "os-server-tags:delete", func(tags []string) ([]string, error) {
		i := slices.Index(tags, r.Var("tag"))
		if i < 0 {
			return nil, noTag(r)
		}
		return slices.Delete(tags, i, i+1), nil
	})
	if err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}
