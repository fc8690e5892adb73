package api

import (
	"context"
	"fmt"
	"net/http"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

func text(v any) string { return fmt.Sprint(v) }

var createImageSchema = fixed(wrapped("createImage", strict(list{"name"}, object{"name": nameType, "metadata": metaType})))

func (a *actions) createImage(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Create struct {
			Name     string
			Metadata map[string]string
		} `json:"createImage"`
	}](r, createImageSchema)
	if err != nil {
		return nil, err
	}
	id, err := a.svc.Snapshots.Create(ctx, r.Var("server_id"), b.Create.Name, b.Create.Metadata)
	if err != nil {
		return nil, err
	}
	return imageMade(r, id), nil
}

// imageURL is where the image service shows an image.
func imageURL(r *httpx.Request, id string) string { return r.Base() + "/image/v2/images/" + id }

// imageMade names a new image: in a header, since 2.45 in the body.
func imageMade(r *httpx.Request, id string) *httpx.Response {
	if r.AtLeast(2, 45) {
		return httpx.JSON(http.StatusAccepted, object{"image_id": id})
	}
	return httpx.Empty(http.StatusAccepted).With("Location", imageURL(r, id))
}

var createBackupSchema = fixed(wrapped("createBackup", strict(list{"name", "backup_type", "rotation"}, object{
	"name": nameType, "backup_type": object{"type": "string"}, "rotation": whole(0, 0x7fffffff), "metadata": metaType,
})))

func (a *actions) createBackup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Create struct {
			Name     string
			Type     string `json:"backup_type"`
			Rotation rest.Int
			Metadata map[string]string
		} `json:"createBackup"`
	}](r, createBackupSchema)
	if err != nil {
		return nil, err
	}
	c := b.Create
	id, err := a.svc.Snapshots.Backup(ctx, r.Var("server_id"), c.Name, c.Type, int(c.Rotation), c.Metadata)
	if err != nil {
		return nil, err
	}
	if c.Rotation == 0 { // the image is deleted as soon as it is there
		return httpx.Empty(http.StatusAccepted), nil
	}
	return imageMade(r, id), nil
}

var rebuildSchema = perVersion(func(minor int) object {
	p := object{
		"name": nameType, "imageRef": uuidType, "adminPass": passType, "metadata": metaType,
		"preserve_ephemeral": boolType, "OS-DCF:diskConfig": diskConfig, "accessIPv4": ipv4Type, "accessIPv6": ipv6Type,
	}
	if minor < 57 {
		p["personality"] = filesType
	} else {
		p["user_data"] = nullable(userData)
	}
	if minor >= 19 {
		p["description"] = descType
	}
	if minor >= 54 {
		p["key_name"] = nullable(nameType)
	}
	if minor >= 63 {
		p["trusted_image_certificates"] = certsType
	}
	if minor >= 94 {
		p["hostname"] = fqdnType
	} else if minor >= 90 {
		p["hostname"] = labelType
	}
	return wrapped("rebuild", strict(list{"imageRef"}, p))
})

func (a *actions) rebuild(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Rebuild struct {
			Image        string                  `json:"imageRef"`
			Name         *string                 `json:"name"`
			AdminPass    string                  `json:"adminPass"`
			Preserve     rest.Bool               `json:"preserve_ephemeral"`
			Metadata     map[string]string       `json:"metadata"`
			Personality  []fileBody              `json:"personality"`
			Description  change.Optional[string] `json:"description"`
			KeyName      change.Optional[string] `json:"key_name"`
			UserData     change.Optional[string] `json:"user_data"`
			Hostname     *string                 `json:"hostname"`
			DiskConfig   *string                 `json:"OS-DCF:diskConfig"`
			AccessIPv4   *string                 `json:"accessIPv4"`
			AccessIPv6   *string                 `json:"accessIPv6"`
			Certificates []string                `json:"trusted_image_certificates"`
		} `json:"rebuild"`
	}](r, rebuildSchema)
	if err != nil {
		return nil, err
	}
	c := b.Rebuild
	if len(c.Certificates) > 0 {
		return nil, bad("Invalid input for field/attribute trusted_image_certificates. This cloud does not validate images by certificates.")
	}
	files, err := filesOf(c.Personality)
	if err != nil {
		return nil, err
	}
	_, password, err := a.svc.Power.Rebuild(ctx, r.Var("server_id"), compute.RebuildServer{
		PreserveEphemeral: bool(c.Preserve), Reimage: r.AtLeast(2, 93),
		ImageID: c.Image, Name: c.Name, AdminPass: c.AdminPass, Metadata: c.Metadata, Files: files,
		Description: c.Description, KeyName: c.KeyName, UserData: c.UserData,
		Hostname: c.Hostname, DiskConfig: c.DiskConfig, AccessIPv4: c.AccessIPv4, AccessIPv6: shortestOf(c.AccessIPv6),
	})
	if err != nil {
		return nil, err
	}
	s, _, err := a.svc.Servers.Describe(ctx, r.Var("server_id"), "servers:rebuild")
	if err != nil {
		return nil, err
	}
	resp, err := a.servers.one(ctx, r, "servers:rebuild", http.StatusAccepted, func(v *serverView) { v.full, v.rebuild = false, true }, func(w *rest.Writer) {
		w.Text("adminPass", password)
		if r.AtLeast(2, 54) && !r.AtLeast(2, 75) {
			w.TextOrNull("key_name", s.KeyName)
		}
		if r.AtLeast(2, 57) {
			w.TextOrNull("user_data", s.UserData)
		}
	})
	if err != nil {
		return nil, err
	}
	return resp.With("Location", r.Link("/v2.1/servers/%s", s.ID)), nil
}

var rescueSchema = fixed(wrapped("rescue", object{"type": list{"object", "null"}, "additionalProperties": false, "properties": object{
	"adminPass": passType, "rescue_image_ref": uuidType,
}}))

func (a *actions) rescue(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Rescue struct {
			AdminPass string `json:"adminPass"`
			Image     string `json:"rescue_image_ref"`
		} `json:"rescue"`
	}](r, rescueSchema)
	if err != nil {
		return nil, err
	}
	password, err := a.svc.Power.Rescue(ctx, r.Var("server_id"), b.Rescue.Image, b.Rescue.AdminPass, r.AtLeast(2, 87))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"adminPass": password}), nil
}
