// Package api is the Image API v2 over HTTP.
package api

import (
	"context"
	"net/http"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

type api struct{ svc *image.Service }

// New describes the image service to the gateway.
func New(svc *image.Service) *httpx.Service {
	a := &api{svc: svc}
	s := &httpx.Service{
		Name: "glance", Type: "image", Prefix: "/image", Fault: fault, ExactSlash: true,
		Status: map[errs.Kind]int{
			errs.OverQuota:   http.StatusRequestEntityTooLarge,
			errs.Unsupported: http.StatusNotImplemented,
		},
		Versions: map[string]string{}, Unversioned: versions(http.StatusMultipleChoices),
	}
	for minor := range newest + 1 {
		s.Versions[versionName(minor)] = "v2"
	}
	s.Routes = append(s.Routes, a.discovery()...)
	s.Routes = append(s.Routes, a.images()...)
	s.Routes = append(s.Routes, a.data()...)
	s.Routes = append(s.Routes, a.members()...)
	s.Routes = append(s.Routes, a.imports()...)
	s.Routes = append(s.Routes, a.tasks()...)
	s.Routes = append(s.Routes, a.metadefNamespaces()...)
	s.Routes = append(s.Routes, a.metadefItems()...)
	s.Routes = append(s.Routes, a.cache()...)
	s.Routes = append(s.Routes, a.schemas()...)
	s.Routes = append(s.Routes, a.metadefSchemas()...)
	return s
}

// route is one row of the table.
func route(method, path, policy string, h httpx.Handler) httpx.Route {
	return httpx.Route{Method: method, Path: path, Policy: policy, Handler: h}
}

func public(r httpx.Route) httpx.Route {
	r.Public = true
	return r
}

// stream lifts the limit of the body, which the service bounds itself.
func stream(r httpx.Route) httpx.Route {
	r.BodyLimit = -1
	return r
}

func (a *api) images() []httpx.Route {
	const one = "/v2/images/{image_id}"
	return []httpx.Route{
		route("GET", "/v2/images", "get_images", a.listImages),
		route("POST", "/v2/images", "add_image", a.createImage),
		route("GET", one, "get_image", a.showImage),
		route("PATCH", one, "modify_image", a.updateImage),
		route("DELETE", one, "delete_image", a.deleteImage),
		route("POST", one+"/actions/deactivate", "deactivate", a.deactivate),
		route("POST", one+"/actions/reactivate", "reactivate", a.reactivate),
		route("PUT", one+"/tags/{tag}", "modify_image", a.addTag),
		route("DELETE", one+"/tags/{tag}", "modify_image", a.removeTag),
	}
}

func (a *api) deactivate(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Deactivate(ctx, r.Var("image_id")))
}

func (a *api) reactivate(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Reactivate(ctx, r.Var("image_id")))
}

func (a *api) addTag(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.AddTag(ctx, r.Var("image_id"), r.Var("tag")))
}

func (a *api) removeTag(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.RemoveTag(ctx, r.Var("image_id"), r.Var("tag")))
}

func done(err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}
