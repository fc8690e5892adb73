package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume"
)

const oneVolume = "/v3/volumes/{volume_id}"

// act reads an action's body, which is in the envelope of its name.
func act[T any](r *httpx.Request, schema *rest.Schema) (T, error) {
	b, err := rest.Body[map[string]T](r, schema)
	return b[r.Route.Action], err
}

// simple is an action whose body says nothing.
func simple(name string, f func(ctx context.Context, id string) error) httpx.Handler {
	schema := fixed(wrapped(name, anything))
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if _, err := schema.Check(r); err != nil {
			return nil, err
		}
		return accepted(f(ctx, r.Var("volume_id")))
	}
}

// actionRoutes are what users do to volumes.
func (a *api) actionRoutes() []httpx.Route {
	return []httpx.Route{
		action(oneVolume, "os-extend", "volume:extend", a.extend),
		action(oneVolume, "os-retype", "volume:retype", a.retype),
		action(oneVolume, "os-set_bootable", "volume_extension:volume_actions:set_bootable", a.setBootable),
		action(oneVolume, "os-update_readonly_flag", "volume:update_readonly_flag", a.setReadOnly),
		action(oneVolume, "os-volume_upload_image", "volume_extension:volume_actions:upload_image", a.upload),
		action(oneVolume, "os-set_image_metadata", "volume_extension:volume_image_metadata:set", a.setImageMetadata),
		action(oneVolume, "os-unset_image_metadata", "volume_extension:volume_image_metadata:remove", a.unsetImageMetadata),
		action(oneVolume, "os-show_image_metadata", "volume_extension:volume_image_metadata:show", a.showImageMetadata),
		since(40, action(oneVolume, "revert", "volume:revert_to_snapshot", a.revert)),
		since(68, action(oneVolume, "os-reimage", "volume:reimage", a.reimage)),
	}
}

var extendSchema = fixed(wrapped("os-extend", closed(list{"new_size"}, object{"new_size": sizeType})))

func (a *api) extend(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Size rest.Int `json:"new_size"`
	}](r, extendSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Contents.Extend(ctx, r.Var("volume_id"), int(in.Size), r.AtLeast(3, 42)))
}

var retypeSchema = fixed(wrapped("os-retype", closed(list{"new_type"}, object{
	"new_type": object{"type": "string"}, "migration_policy": object{"type": list{"string", "null"}, "enum": list{"on-demand", "never", nil}},
})))

func (a *api) retype(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Type   string `json:"new_type"`
		Policy string `json:"migration_policy"`
	}](r, retypeSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Moves.Retype(ctx, r.Var("volume_id"), in.Type, in.Policy == "on-demand"))
}

var bootableSchema = fixed(wrapped("os-set_bootable", closed(list{"bootable"}, object{"bootable": boolType})))

func (a *api) setBootable(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Bootable rest.Bool `json:"bootable"`
	}](r, bootableSchema)
	if err != nil {
		return nil, err
	}
	if err := a.svc.Volumes.SetBootable(ctx, r.Var("volume_id"), bool(in.Bootable)); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusOK), nil
}

var readOnlySchema = fixed(wrapped("os-update_readonly_flag", closed(list{"readonly"}, object{"readonly": boolType})))

func (a *api) setReadOnly(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		ReadOnly rest.Bool `json:"readonly"`
	}](r, readOnlySchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Volumes.SetReadOnly(ctx, r.Var("volume_id"), bool(in.ReadOnly)))
}

var uploadSchema = perVersion(func(minor int) object {
	p := object{
		"image_name": object{"type": "string", "minLength": 1, "maxLength": 255}, "force": boolType,
		"disk_format": object{"type": "string", "enum": list{"raw", "vmdk", "vdi", "qcow2", "vhd", "vhdx", "ploop"}}, "container_format": descText,
	}
	if minor >= 1 {
		p["visibility"] = object{"type": "string", "enum": list{"community", "public", "private", "shared"}}
		p["protected"] = boolType
	}
	return wrapped("os-volume_upload_image", closed(list{"image_name"}, p))
})

func (a *api) upload(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Name       string    `json:"image_name"`
		Force      rest.Bool `json:"force"`
		Format     string    `json:"disk_format"`
		Container  string    `json:"container_format"`
		Visibility string    `json:"visibility"`
		Protected  rest.Bool `json:"protected"`
	}](r, uploadSchema)
	if err != nil {
		return nil, err
	}
	n := volume.NewUpload{
		Name: in.Name, DiskFormat: in.Format, ContainerFormat: in.Container, Visibility: in.Visibility, Protected: bool(in.Protected), Force: bool(in.Force),
	}
	if n.DiskFormat == "" {
		n.DiskFormat = "raw"
	}
	if n.ContainerFormat == "" {
		n.ContainerFormat = "bare"
	}
	up, err := a.svc.Contents.Upload(ctx, r.Var("volume_id"), n)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusAccepted, func(w *rest.Writer) {
		w.Object("", func() { w.Object("os-volume_upload_image", func() { viewUpload(w, r, up, n) }) })
	}), nil
}

func viewUpload(w *rest.Writer, r *httpx.Request, up *volume.Uploaded, n volume.NewUpload) {
	v := up.Volume
	w.Text("id", v.ID)
	w.Time("updated_at", v.UpdatedAt, rest.Micros)
	w.Text("status", v.Status)
	w.TextOrNull("display_description", v.Description)
	w.Int("size", int64(v.SizeGiB))
	if up.TypeName == "" {
		w.Null("volume_type")
	} else {
		w.Object("volume_type", func() { w.Text("name", up.TypeName) })
	}
	w.Text("image_id", up.ImageID)
	w.Text("container_format", n.ContainerFormat)
	w.Text("disk_format", n.DiskFormat)
	w.Text("image_name", n.Name)
	if r.AtLeast(3, 1) {
		w.Bool("protected", false)
		w.Text("visibility", "private")
	}
}

var imageMetadataSchema = fixed(wrapped("os-set_image_metadata", closed(list{"metadata"}, object{
	"metadata": object{"type": "object", "patternProperties": object{metaKeys: object{"type": "string", "maxLength": 65535}}, "additionalProperties": false},
})))

func (a *api) setImageMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Metadata map[string]string `json:"metadata"`
	}](r, imageMetadataSchema)
	if err != nil {
		return nil, err
	}
	m, err := a.svc.Volumes.SetImageMetadata(ctx, r.Var("volume_id"), in.Metadata)
	return answerImageMetadata(m, err)
}

func answerImageMetadata(m map[string]string, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) { w.Object("", func() { w.TextMap("metadata", m) }) }), nil
}

var unsetSchema = fixed(wrapped("os-unset_image_metadata", closed(list{"key"}, object{"key": object{"type": "string", "minLength": 1, "maxLength": 255}})))

func (a *api) unsetImageMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Key string `json:"key"`
	}](r, unsetSchema)
	if err != nil {
		return nil, err
	}
	if err := a.svc.Volumes.UnsetImageMetadata(ctx, r.Var("volume_id"), in.Key); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusOK), nil
}

func (a *api) showImageMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	m, err := a.svc.Volumes.ImageMetadata(ctx, r.Var("volume_id"))
	return answerImageMetadata(m, err)
}

var revertSchema = fixed(wrapped("revert", open(nil, object{"snapshot_id": object{"type": list{"string", "null"}}})))

func (a *api) revert(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Snapshot string `json:"snapshot_id"`
	}](r, revertSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Contents.Revert(ctx, r.Var("volume_id"), in.Snapshot))
}

var reimageSchema = fixed(wrapped("os-reimage", closed(list{"image_id"}, object{"image_id": idText, "reimage_reserved": boolType})))

func (a *api) reimage(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Image    string    `json:"image_id"`
		Reserved rest.Bool `json:"reimage_reserved"`
	}](r, reimageSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Contents.Reimage(ctx, r.Var("volume_id"), in.Image, bool(in.Reserved)))
}
