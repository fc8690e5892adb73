// Package api is the Image API v2 over HTTP.
package api

import (
	"net/http"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

type api struct {
	svc  *image.Service
	rows *rest.Resource[image.Image, map[string]any, []image.Change]
}

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
	s.Routes = append(s.Routes, a.metadefTypes()...)
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
