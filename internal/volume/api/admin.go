package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume"
)

// adminRoutes are what administrators do to volumes.
func (a *api) adminRoutes() []httpx.Route {
	const p = "volume_extension:volume_admin_actions:"
	return []httpx.Route{
		action(oneVolume, "os-reset_status", p+"reset_status", a.resetVolume),
		action(oneVolume, "os-force_delete", p+"force_delete", simple("os-force_delete", a.svc.Volumes.ForceDelete)),
		action(oneVolume, "os-force_detach", p+"force_detach", a.forceDetach),
		action(oneVolume, "os-migrate_volume", p+"migrate_volume", a.migrate),
		action(oneVolume, "os-migrate_volume_completion", p+"migrate_volume_completion", a.completeMigration),
		since(71, action(oneVolume, "os-extend_volume_completion", p+"extend_volume_completion", a.completeExtend)),
		action(oneVolume, "os-unmanage", "volume_extension:volume_unmanage", simple("os-unmanage", a.svc.Managed.Release)),
	}
}

var resetVolumeSchema = fixed(wrapped("os-reset_status", func() object {
	word := func(words ...any) object {
		return object{"type": list{"string", "null"}, "enum": append(list(words), nil)}
	}
	o := closed(nil, object{
		"status": word("creating", "available", "deleting", "error", "error_deleting", "error_managing", "managing", "attaching", "in-use",
			"maintenance", "detaching", "error_restoring", "restoring-backup", "reserved", "awaiting-transfer", "backing-up", "error_backing-up",
			"error_extending", "downloading", "uploading", "retyping", "extending"),
		"attach_status":    word("attached", "detached", "reserved", "attaching", "detaching", "error_attaching", "error_detaching", "deleted"),
		"migration_status": word("migrating", "error", "success", "completing", "none", "starting"),
	})
	o["minProperties"] = 1
	return o
}()))

func (a *api) resetVolume(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Status    string `json:"status"`
		Attach    string `json:"attach_status"`
		Migration string `json:"migration_status"`
	}](r, resetVolumeSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Volumes.ResetStatus(ctx, r.Var("volume_id"), volume.Reset{Status: in.Status, AttachStatus: in.Attach, MigrationStatus: in.Migration}))
}

var forceDetachSchema = fixed(wrapped("os-force_detach", closed(nil, object{
	"connector": object{"type": list{"string", "object", "null"}}, "attachment_id": object{"type": list{"string", "null"}},
})))

func (a *api) forceDetach(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Attachment string `json:"attachment_id"`
	}](r, forceDetachSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Connections.ForceDetach(ctx, r.Var("volume_id"), in.Attachment))
}

var migrateSchema = perVersion(func(minor int) object {
	p := object{"host": object{"type": "string", "maxLength": 255}, "force_host_copy": boolType, "lock_volume": boolType}
	if minor < 16 {
		return wrapped("os-migrate_volume", closed(list{"host"}, p))
	}
	p["host"], p["cluster"] = optionalText, optionalText
	return wrapped("os-migrate_volume", closed(nil, p))
})

func (a *api) migrate(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Host    string    `json:"host"`
		Cluster string    `json:"cluster"`
		Lock    rest.Bool `json:"lock_volume"`
	}](r, migrateSchema)
	if err != nil {
		return nil, err
	}
	if (in.Host == "") == (in.Cluster == "") {
		return nil, bad("Invalid input received: One and only one of cluster and host must be set.")
	}
	return accepted(a.svc.Moves.Migrate(ctx, r.Var("volume_id"), in.Host+in.Cluster, bool(in.Lock)))
}

var completeMigrationSchema = fixed(wrapped("os-migrate_volume_completion", closed(list{"new_volume"}, object{
	"new_volume": idText, "error": object{"type": list{"string", "null", "boolean"}},
})))

// completeMigration is what compute tells Cinder after it has swapped one volume
// for another. Here a migrating volume stays the same one.
func (a *api) completeMigration(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		New string `json:"new_volume"`
	}](r, completeMigrationSchema)
	if err != nil {
		return nil, err
	}
	id, err := a.svc.Moves.Complete(ctx, r.Var("volume_id"), in.New)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"save_volume_id": id}), nil
}

var completeExtendSchema = fixed(wrapped("os-extend_volume_completion", closed(nil, object{"error": object{"type": list{"string", "null", "boolean"}}})))

func (a *api) completeExtend(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if _, err := completeExtendSchema.Check(r); err != nil {
		return nil, err
	}
	return accepted(a.svc.Contents.CompleteExtend(ctx, r.Var("volume_id")))
}
