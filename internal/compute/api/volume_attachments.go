package api

import (
	"context"
	"net/http"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

var devicePath = object{"anyOf": list{
	object{"type": "null"}, object{"type": "string", "pattern": `(^/dev/x{0,1}[a-z]{0,1}d{0,1})([a-z]+)[0-9]*$`},
}}

var attachVolumeSchema = perVersion(func(minor int) object {
	p := object{"volumeId": uuidType, "device": devicePath}
	if minor >= 49 {
		p["tag"] = tagType
	}
	if minor >= 79 {
		p["delete_on_termination"] = boolType
	}
	return wrapped("volumeAttachment", strict(list{"volumeId"}, p))
})

func (a *attachments) attach(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Attach struct {
			Volume string    `json:"volumeId"`
			Device string    `json:"device"`
			Tag    string    `json:"tag"`
			Delete rest.Bool `json:"delete_on_termination"`
		} `json:"volumeAttachment"`
	}](r, attachVolumeSchema)
	if err != nil {
		return nil, err
	}
	d, err := a.svc.VolumeAttachments.Attach(ctx, r.Var("server_id"), compute.AttachVolume{
		VolumeID: b.Attach.Volume, Device: b.Attach.Device, Tag: b.Attach.Tag, DeleteOnTermination: bool(b.Attach.Delete), Shared: r.AtLeast(2, 60),
	})
	if err != nil {
		return nil, err
	}
	w := rest.NewWriter()
	w.Object("", func() {
		w.Object("volumeAttachment", func() {
			w.Text("id", d.VolumeID)
			writeAttachment(w, r, d)
		})
	})
	return w.Response(http.StatusOK), nil
}

// writeAttachment writes what all views of an attached volume have.
func writeAttachment(w *rest.Writer, r *httpx.Request, d *compute.VolumeDevice) {
	w.Text("serverId", d.ServerID)
	w.Text("volumeId", d.VolumeID)
	w.Text("device", d.Name)
	if r.AtLeast(2, 70) {
		w.TextOrNull("tag", d.Tag)
	}
	if r.AtLeast(2, 79) {
		w.Bool("delete_on_termination", d.DeleteOnTermination)
	}
}

// attachmentDetail is an attached volume in lists and by itself.
func attachmentDetail(w *rest.Writer, r *httpx.Request, d *compute.VolumeDevice) {
	if r.AtLeast(2, 89) {
		w.Text("attachment_id", d.AttachmentID)
		w.Text("bdm_uuid", d.ID)
	} else {
		w.Text("id", d.VolumeID)
	}
	writeAttachment(w, r, d)
}

func (a *attachments) list(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	all, err := a.svc.VolumeAttachments.List(ctx, r.Var("server_id"), "os-volumes-attachments:index")
	if err != nil {
		return nil, err
	}
	all, err = offsetPage(r, all)
	if err != nil {
		return nil, err
	}
	w := rest.NewWriter()
	w.Object("", func() {
		w.List("volumeAttachments", func() {
			for _, d := range all {
				w.Object("", func() { attachmentDetail(w, r, d) })
			}
		})
	})
	return w.Response(http.StatusOK), nil
}

func (a *attachments) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	d, err := a.svc.VolumeAttachments.Show(ctx, r.Var("server_id"), r.Var("volume_id"), "os-volumes-attachments:show")
	if err != nil {
		return nil, err
	}
	w := rest.NewWriter()
	w.Object("", func() { w.Object("volumeAttachment", func() { attachmentDetail(w, r, d) }) })
	return w.Response(http.StatusOK), nil
}

var updateVolumeSchema = perVersion(func(minor int) object {
	p := object{"volumeId": uuidType}
	if minor >= 85 {
		p["device"], p["tag"], p["delete_on_termination"] = devicePath, tagType, boolType
		p["serverId"], p["id"] = uuidType, uuidType
	}
	return wrapped("volumeAttachment", strict(list{"volumeId"}, p))
})

// update says whether a volume ends with its server; one that names
// another volume asks for a swap of the two.
func (a *attachments) update(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Attach struct {
			Volume string     `json:"volumeId"`
			Server *string    `json:"serverId"`
			ID     *string    `json:"id"`
			Device *string    `json:"device"`
			Tag    *string    `json:"tag"`
			Delete *rest.Bool `json:"delete_on_termination"`
		} `json:"volumeAttachment"`
	}](r, updateVolumeSchema)
	if err != nil {
		return nil, err
	}
	server, volume, want := r.Var("server_id"), r.Var("volume_id"), b.Attach
	if !r.AtLeast(2, 85) || want.Volume != volume {
		if err := a.svc.VolumeAttachments.Swap(ctx, server, volume, want.Volume); err != nil {
			return nil, err
		}
		return httpx.Empty(http.StatusAccepted), nil
	}
	d, err := a.svc.VolumeAttachments.Show(ctx, server, volume, "os-volumes-attachments:update")
	if err != nil {
		return nil, err
	}
	for _, p := range []struct {
		key, now string
		given    *string
	}{
		{"device", d.Name, want.Device}, {"tag", d.Tag, want.Tag}, {"serverId", server, want.Server}, {"id", volume, want.ID},
	} {
		if p.given != nil && *p.given != p.now {
			return nil, bad("The %s property of a volume attachment cannot be changed.", p.key)
		}
	}
	if want.Delete != nil {
		if err := a.svc.VolumeAttachments.Keep(ctx, server, volume, bool(*want.Delete)); err != nil {
			return nil, err
		}
	}
	return httpx.Empty(http.StatusAccepted), nil
}

func (a *attachments) detach(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.VolumeAttachments.Detach(ctx, r.Var("server_id"), r.Var("volume_id")); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}
