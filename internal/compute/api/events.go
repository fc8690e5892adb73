package api

import (
	"context"
	"net/http"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

var eventsSchema = perVersion(func(minor int) object {
	names := list{"network-changed", "network-vif-plugged", "network-vif-unplugged", "network-vif-deleted"}
	if minor >= 51 {
		names = append(names, "volume-extended")
	}
	if minor >= 76 {
		names = append(names, "power-update")
	}
	if minor >= 82 {
		names = append(names, "accelerator-request-bound")
	}
	if minor >= 93 {
		names = append(names, "volume-reimaged")
	}
	return strict(list{"events"}, object{"events": object{"type": "array", "minItems": 1, "items": strict(list{"server_uuid", "name"}, object{
		"server_uuid": uuidType, "name": object{"type": "string", "enum": names},
		"status": object{"type": "string", "enum": list{"failed", "completed", "in-progress"}}, "tag": object{"type": "string", "maxLength": 255},
	})}})
})

func (a *api) externalEvents(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Events []struct {
			Server string `json:"server_uuid"`
			Name   string
			Status string
			Tag    string
		}
	}](r, eventsSchema)
	if err != nil {
		return nil, err
	}
	events := make([]compute.ExternalEvent, len(b.Events))
	for i, e := range b.Events {
		events[i] = compute.ExternalEvent{ServerID: e.Server, Name: e.Name, Status: e.Status, Tag: e.Tag}
	}
	events, err = a.svc.ExternalEvents.Take(ctx, events)
	if err != nil {
		return nil, err
	}
	docs, status, found := []object{}, http.StatusOK, false
	for _, e := range events {
		doc := object{"server_uuid": e.ServerID, "name": e.Name, "status": e.Status, "code": e.Code}
		if e.Tag != "" {
			doc["tag"] = e.Tag
		}
		docs = append(docs, doc)
		found = found || e.Code != http.StatusNotFound
		if e.Code != http.StatusOK {
			status = http.StatusMultiStatus
		}
	}
	if !found {
		return nil, errs.New(errs.NotFound, "No instances found for any event")
	}
	return httpx.JSON(status, object{"events": docs}), nil
}
