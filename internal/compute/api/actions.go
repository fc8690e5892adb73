package api

import (
	"context"
	"net/http"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/kernel/rest"
)

const actionPath = "/v2.1/servers/{server_id}/action"

// routes are the actions on servers, one body key each.
func (a *actions) routes() []httpx.Route {
	var routes []httpx.Route
	add := func(action, policy string, h httpx.Handler) *httpx.Route {
		if policy != "" {
			policy = "os_compute_api:" + policy
		}
		routes = append(routes, httpx.Route{Method: "POST", Path: actionPath, Action: action, Policy: policy, Handler: h})
		return &routes[len(routes)-1]
	}
	add("os-start", "servers:start", a.power("os-start", "start"))
	add("os-stop", "servers:stop", a.power("os-stop", "stop"))
	add("pause", "os-pause-server:pause", a.power("pause", "pause"))
	add("unpause", "os-pause-server:unpause", a.power("unpause", "unpause"))
	add("suspend", "os-suspend-server:suspend", a.power("suspend", "suspend"))
	add("resume", "os-suspend-server:resume", a.power("resume", "resume"))
	add("reboot", "servers:reboot", a.reboot)
	add("rebuild", "servers:rebuild", a.rebuild)
	add("resize", "servers:resize", a.resize)
	add("confirmResize", "servers:confirm_resize", a.simple("confirmResize", http.StatusNoContent, a.svc.Moves.Confirm))
	add("revertResize", "servers:revert_resize", a.simple("revertResize", http.StatusAccepted, a.svc.Moves.Revert))
	add("createImage", "servers:create_image", a.createImage)
	add("createBackup", "os-create-backup", a.createBackup)
	add("lock", "os-lock-server:lock", a.lock)
	add("unlock", "os-lock-server:unlock", a.simple("unlock", http.StatusAccepted, a.svc.Servers.Unlock))
	add("shelve", "os-shelve:shelve", a.simple("shelve", http.StatusAccepted, a.svc.Shelves.Shelve))
	add("shelveOffload", "os-shelve:shelve_offload", a.simple("shelveOffload", http.StatusAccepted, a.svc.Shelves.Offload))
	add("unshelve", "os-shelve:unshelve", a.unshelve)
	add("rescue", "os-rescue", a.rescue)
	add("unrescue", "os-unrescue", a.simple("unrescue", http.StatusAccepted, a.svc.Power.Unrescue))
	add("changePassword", "os-admin-password", a.changePassword)
	add("addSecurityGroup", "os-security-groups:add", a.securityGroupAction("addSecurityGroup", a.svc.SecurityGroups.Add))
	add("removeSecurityGroup", "os-security-groups:remove", a.securityGroupAction("removeSecurityGroup", a.svc.SecurityGroups.Remove))
	add("os-getConsoleOutput", "os-console-output", a.consoleOutput)
	add("forceDelete", "os-deferred-delete:force", a.simple("forceDelete", http.StatusAccepted, func(ctx context.Context, id string) error {
		return a.svc.Servers.Delete(ctx, id, "force_delete")
	}))
	add("restore", "os-deferred-delete:restore", a.simple("restore", http.StatusAccepted, a.svc.Servers.Restore))
	add("trigger_crash_dump", "servers:trigger_crash_dump", a.simple("trigger_crash_dump", http.StatusAccepted, a.svc.Servers.TriggerCrashDump)).Min = micro.V(2, 17)
	add("migrate", "os-migrate-server:migrate", a.migrate)
	add("os-migrateLive", "os-migrate-server:migrate_live", a.migrateLive)
	add("evacuate", "os-evacuate", a.evacuate)
	add("os-resetState", "os-admin-actions:reset_state", a.resetState)
	add("injectNetworkInfo", "os-admin-actions:inject_network_info", a.simple("injectNetworkInfo", http.StatusAccepted, a.svc.Servers.InjectNetworkInfo))
	add("resetNetwork", "", goneAction)
	for _, old := range []struct {
		action, policy string
		max            int
		h              httpx.Handler
	}{
		{"addFloatingIp", "os-floating-ips:add", 43, a.floatingIPs.add},
		{"removeFloatingIp", "os-floating-ips:remove", 43, a.floatingIPs.remove},
		{"addFixedIp", "os-multinic:add", 43, a.floatingIPs.addFixedIP},
		{"removeFixedIp", "os-multinic:remove", 43, a.floatingIPs.removeFixedIP},
		{"os-getVNCConsole", "os-remote-consoles", 5, a.consoles.oldConsole("os-getVNCConsole", "vnc", "novnc", "xvpvnc")},
		{"os-getSPICEConsole", "os-remote-consoles", 5, a.consoles.oldConsole("os-getSPICEConsole", "spice", "spice-html5")},
		{"os-getSerialConsole", "os-remote-consoles", 5, a.consoles.oldConsole("os-getSerialConsole", "serial", "serial")},
		{"os-getRDPConsole", "os-remote-consoles", 5, a.consoles.oldConsole("os-getRDPConsole", "rdp", "rdp-html5")},
	} {
		add(old.action, old.policy, old.h).Max = micro.V(2, old.max)
	}
	alias := make([]httpx.Route, 0, len(routes))
	for _, r := range routes {
		r.Path = "/v2.1/os-volumes_boot/{server_id}/action"
		alias = append(alias, r)
	}
	return append(routes, alias...)
}

// simple is an action whose body says nothing but its name.
func (a *actions) simple(action string, status int, do func(ctx context.Context, id string) error) httpx.Handler {
	s := fixed(strict(list{action}, object{action: anything}))
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		if _, err := s.Check(r); err != nil {
			return nil, err
		}
		if err := do(ctx, r.Var("server_id")); err != nil {
			return nil, err
		}
		return httpx.Empty(status), nil
	}
}

func (a *actions) power(key, action string) httpx.Handler {
	return a.simple(key, http.StatusAccepted, func(ctx context.Context, id string) error {
		return a.svc.Power.Switch(ctx, id, action)
	})
}

var rebootSchema = fixed(wrapped("reboot", strict(list{"type"}, object{
	"type": object{"type": "string", "enum": list{"HARD", "Hard", "hard", "SOFT", "Soft", "soft"}},
})))

func (a *actions) reboot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Reboot struct{ Type string } `json:"reboot"`
	}](r, rebootSchema)
	if err != nil {
		return nil, err
	}
	action := "reboot"
	if b.Reboot.Type[0] == 'H' || b.Reboot.Type[0] == 'h' {
		action = "reboot_hard"
	}
	if err := a.svc.Power.Switch(ctx, r.Var("server_id"), action); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

var resizeSchema = fixed(wrapped("resize", strict(list{"flavorRef"}, object{
	"flavorRef": object{"type": list{"string", "integer"}, "minLength": 1}, "OS-DCF:diskConfig": diskConfig,
})))

func (a *actions) resize(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Resize struct {
			Flavor     rest.Text `json:"flavorRef"`
			DiskConfig string    `json:"OS-DCF:diskConfig"`
		} `json:"resize"`
	}](r, resizeSchema)
	if err != nil {
		return nil, err
	}
	if err := a.svc.Moves.Resize(ctx, r.Var("server_id"), string(b.Resize.Flavor), b.Resize.DiskConfig); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

var lockSchema = perVersion(func(minor int) object {
	if minor < 73 {
		return strict(list{"lock"}, object{"lock": anything})
	}
	return wrapped("lock", object{
		"type": list{"object", "null"}, "additionalProperties": false,
		"properties": object{"locked_reason": object{"type": "string", "minLength": 1, "maxLength": 255}},
	})
})

func (a *actions) lock(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if _, err := lockSchema.Check(r); err != nil {
		return nil, err
	}
	var b struct {
		Lock *struct {
			Reason *string `json:"locked_reason"`
		} `json:"lock"`
	}
	var reason *string
	if r.AtLeast(2, 73) {
		if err := r.Decode(&b); err != nil {
			return nil, err
		}
		if b.Lock != nil {
			reason = b.Lock.Reason
		}
	}
	if err := a.svc.Servers.Lock(ctx, r.Var("server_id"), reason); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

var changePasswordSchema = fixed(wrapped("changePassword", strict(list{"adminPass"}, object{"adminPass": passType})))

func (a *actions) changePassword(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if _, err := changePasswordSchema.Check(r); err != nil {
		return nil, err
	}
	return nil, a.svc.Servers.ChangePassword(ctx, r.Var("server_id"))
}

func (a *actions) securityGroupAction(action string, do func(ctx context.Context, id, group string) error) httpx.Handler {
	s := fixed(wrapped(action, object{"type": "object", "required": list{"name"}, "properties": object{
		"name": object{"type": "string", "minLength": 1, "maxLength": 255},
	}}))
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		b, err := rest.Body[map[string]struct{ Name string }](r, s)
		if err != nil {
			return nil, err
		}
		if err := do(ctx, r.Var("server_id"), b[action].Name); err != nil {
			return nil, err
		}
		return httpx.Empty(http.StatusAccepted), nil
	}
}

var consoleOutputSchema = fixed(wrapped("os-getConsoleOutput", strict(nil, object{
	"length": object{"anyOf": list{object{"type": "null"}, object{"type": list{"integer", "string"}, "minimum": -1, "pattern": "^-?[0-9]+$"}}},
})))

func (a *actions) consoleOutput(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Get struct {
			Length *rest.Int `json:"length"`
		} `json:"os-getConsoleOutput"`
	}](r, consoleOutputSchema)
	if err != nil {
		return nil, err
	}
	lines := 0
	if n := b.Get.Length; n != nil && *n >= 0 {
		if lines = int(*n); lines == 0 {
			return httpx.JSON(http.StatusOK, object{"output": ""}), nil
		}
	}
	out, err := a.svc.Consoles.Output(ctx, r.Var("server_id"), lines)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"output": out}), nil
}

var resetStateSchema = fixed(wrapped("os-resetState", strict(list{"state"}, object{
	"state": object{"type": "string", "enum": list{"active", "error"}},
})))

func (a *actions) resetState(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Reset struct{ State string } `json:"os-resetState"`
	}](r, resetStateSchema)
	if err != nil {
		return nil, err
	}
	if err := a.svc.Servers.ResetState(ctx, r.Var("server_id"), compute.VMState(b.Reset.State)); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

func goneAction(context.Context, *httpx.Request) (*httpx.Response, error) {
	return nil, errs.New(errs.Gone, "This action has been removed from the compute API.")
}
