package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

var unshelveSchema = perVersion(func(minor int) object {
	p := object{}
	switch {
	case minor < 77:
		return strict(list{"unshelve"}, object{"unshelve": anything})
	case minor < 91:
		p["availability_zone"] = nameType
		return wrapped("unshelve", object{"anyOf": list{object{"type": "null"}, strict(list{"availability_zone"}, p)}})
	}
	p["availability_zone"], p["host"] = nullable(nameType), hostType
	return wrapped("unshelve", object{"anyOf": list{object{"type": "null"}, object{
		"type": "object", "additionalProperties": false, "minProperties": 1, "properties": p,
	}}})
})

func (a *actions) unshelve(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if _, err := unshelveSchema.Check(r); err != nil {
		return nil, err
	}
	var zone *string
	var unpin bool
	var host string
	if r.AtLeast(2, 77) {
		var b struct {
			Unshelve struct {
				Zone change.Optional[string] `json:"availability_zone"`
				Host string                  `json:"host"`
			} `json:"unshelve"`
		}
		if err := r.Decode(&b); err != nil {
			return nil, err
		}
		b.Unshelve.Zone.IntoPointer(&zone)
		host, unpin = b.Unshelve.Host, b.Unshelve.Zone.Null
	}
	if err := a.svc.Shelves.Unshelve(ctx, r.Var("server_id"), zone, unpin, host); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

var migrateSchema = perVersion(func(minor int) object {
	if minor < 56 {
		return strict(list{"migrate"}, object{"migrate": anything})
	}
	return wrapped("migrate", object{"type": list{"object", "null"}, "additionalProperties": false, "properties": object{"host": nullable(hostType)}})
})

func (a *actions) migrate(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if _, err := migrateSchema.Check(r); err != nil {
		return nil, err
	}
	host := ""
	if r.AtLeast(2, 56) {
		var b struct {
			Migrate struct{ Host string } `json:"migrate"`
		}
		if err := r.Decode(&b); err != nil {
			return nil, err
		}
		host = b.Migrate.Host
	}
	if err := a.svc.Moves.Migrate(ctx, r.Var("server_id"), host); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

var migrateLiveSchema = perVersion(func(minor int) object {
	p := object{"host": nullable(hostType), "block_migration": boolType}
	required := list{"host", "block_migration"}
	if minor < 25 {
		p["disk_over_commit"] = boolType
		required = append(required, "disk_over_commit")
	} else {
		p["block_migration"] = object{"anyOf": list{boolType, object{"const": "auto"}}}
	}
	if minor >= 30 && minor < 68 {
		p["force"] = boolType
	}
	return wrapped("os-migrateLive", strict(required, p))
})

func (a *actions) migrateLive(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Live struct{ Host *string } `json:"os-migrateLive"`
	}](r, migrateLiveSchema)
	if err != nil {
		return nil, err
	}
	host := ""
	if b.Live.Host != nil {
		host = *b.Live.Host
	}
	return nil, a.svc.Moves.MigrateLive(ctx, r.Var("server_id"), host)
}

var evacuateSchema = perVersion(func(minor int) object {
	p := object{"host": hostType, "adminPass": passType}
	var required list
	if minor < 14 {
		p["onSharedStorage"] = boolType
		required = list{"onSharedStorage"}
	}
	if minor >= 29 && minor < 68 {
		p["force"] = boolType
	}
	return wrapped("evacuate", strict(required, p))
})

func (a *actions) evacuate(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Evacuate struct {
			Host      string
			AdminPass string    `json:"adminPass"`
			Shared    rest.Bool `json:"onSharedStorage"`
		} `json:"evacuate"`
	}](r, evacuateSchema)
	if err != nil {
		return nil, err
	}
	if b.Evacuate.Shared {
		return nil, bad("This cloud's hosts keep disks of their own: nothing is on shared storage (onSharedStorage).")
	}
	password, err := a.svc.Moves.Evacuate(ctx, r.Var("server_id"), b.Evacuate.Host, b.Evacuate.AdminPass)
	if err != nil {
		return nil, err
	}
	if r.AtLeast(2, 14) {
		return httpx.Empty(http.StatusOK), nil
	}
	return httpx.JSON(http.StatusOK, object{"adminPass": password}), nil
}
