package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/volume"
)

// connectionRoutes are how clients of before attachments connect.
func (a *api) connectionRoutes() []httpx.Route {
	const p = "volume_extension:volume_actions:"
	return []httpx.Route{
		action(oneVolume, "os-reserve", p+"reserve", simple("os-reserve", a.svc.Connections.Reserve)),
		action(oneVolume, "os-unreserve", p+"unreserve", simple("os-unreserve", a.svc.Connections.Unreserve)),
		action(oneVolume, "os-begin_detaching", p+"begin_detaching", simple("os-begin_detaching", a.svc.Connections.BeginDetaching)),
		action(oneVolume, "os-roll_detaching", p+"roll_detaching", simple("os-roll_detaching", a.svc.Connections.RollDetaching)),
		action(oneVolume, "os-attach", p+"attach", a.attach),
		action(oneVolume, "os-detach", p+"detach", a.detach),
		action(oneVolume, "os-initialize_connection", p+"initialize_connection", a.initialize),
		action(oneVolume, "os-terminate_connection", p+"terminate_connection", a.terminate),
	}
}

var attachSchema = fixed(wrapped("os-attach", func() object {
	o := closed(list{"mountpoint"}, object{
		"instance_uuid": idText, "mountpoint": object{"type": "string", "minLength": 1, "maxLength": 255},
		"host_name": object{"type": "string", "maxLength": 255}, "mode": object{"type": "string", "enum": list{"rw", "ro"}},
	})
	o["anyOf"] = list{object{"required": list{"instance_uuid"}}, object{"required": list{"host_name"}}}
	return o
}()))

func (a *api) attach(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Instance string `json:"instance_uuid"`
		Host     string `json:"host_name"`
		At       string `json:"mountpoint"`
		Mode     string `json:"mode"`
	}](r, attachSchema)
	if err != nil {
		return nil, err
	}
	if in.Mode == "" {
		in.Mode = "rw"
	}
	return accepted(a.svc.Connections.Attach(ctx, r.Var("volume_id"), in.Instance, in.Host, in.At, in.Mode))
}

var detachSchema = fixed(wrapped("os-detach", object{
	"type": list{"object", "null"}, "properties": object{"attachment_id": optionalID}, "additionalProperties": false,
}))

func (a *api) detach(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Attachment string `json:"attachment_id"`
	}](r, detachSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Connections.Detach(ctx, r.Var("volume_id"), in.Attachment))
}

// connectorIn is the body of both connection actions.
type connectorIn struct {
	Connector any `json:"connector"`
}

func (c connectorIn) object() map[string]any {
	m, _ := c.Connector.(map[string]any)
	return m
}

var initializeSchema = fixed(wrapped("os-initialize_connection", closed(list{"connector"}, object{"connector": object{"type": list{"object", "string"}}})))

func (a *api) initialize(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[connectorIn](r, initializeSchema)
	if err != nil {
		return nil, err
	}
	at, err := a.svc.Connections.Initialize(ctx, r.Var("volume_id"), in.object())
	if err != nil {
		return nil, err
	}
	data := connectionInfo(at)
	data["enforce_multipath"] = in.object()["enforce_multipath"] == true
	return httpx.JSON(http.StatusOK, object{"connection_info": object{"driver_volume_type": driverType, "data": data}}), nil
}

var terminateSchema = fixed(wrapped("os-terminate_connection", closed(list{"connector"}, object{"connector": object{"type": list{"object", "string", "null"}}})))

func (a *api) terminate(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[connectorIn](r, terminateSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Connections.Terminate(ctx, r.Var("volume_id"), in.object()))
}

// driverType names the kind of connection to the service that makes it.
const driverType = "kumoi"

// connectionInfo is how a client reaches a volume, as services are told.
func connectionInfo(at *volume.Attachment) object {
	c := at.Connection
	return object{
		"qos_specs": c.Specs, "attachment_id": at.ID, "volume_id": c.VolumeID, "backend": c.Backend, "host": c.Host, "address": c.Address, "export": c.Export,
		"key": c.Key, "read_only": c.ReadOnly, "access_mode": at.Mode, "discard": true, "encrypted": false, "enforce_multipath": false, "cacheable": false,
	}
}
