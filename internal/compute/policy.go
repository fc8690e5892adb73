package compute

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
)

// The rules that all others refer to, under Nova's names.
const (
	ruleAdmin         = "rule:context_is_admin"
	ruleMemberOrAdmin = "rule:project_member_or_admin"
	ruleReaderOrAdmin = "rule:project_reader_or_admin"
	ruleAny           = "@"
)

// Rules are Nova's policy rules with their newest defaults.
func Rules() []policy.Rule {
	out := []policy.Rule{
		{Name: "context_is_admin", Check: "role:admin"},
		{Name: "project_member_api", Check: "role:member and project_id:%(project_id)s"},
		{Name: "project_reader_api", Check: "role:reader and project_id:%(project_id)s"},
		{Name: "project_member_or_admin", Check: "rule:project_member_api or rule:context_is_admin"},
		{Name: "project_reader_or_admin", Check: "rule:project_reader_api or rule:context_is_admin"},
	}
	add := func(check string, names ...string) {
		for _, n := range names {
			out = append(out, policy.Rule{Name: "os_compute_api:" + n, Check: check, Scopes: []string{"project"}})
		}
	}
	add(ruleReaderOrAdmin,
		"servers:index", "servers:detail", "servers:show", "servers:show:flavor-extra-specs",
		"os-attach-interfaces:list", "os-attach-interfaces:show", "os-instance-actions:list", "os-instance-actions:show",
		"ips:index", "ips:show", "limits", "server-metadata:index", "server-metadata:show", "os-server-tags:index",
		"os-server-tags:show", "os-server-groups:index", "os-server-groups:show", "os-simple-tenant-usage:show",
		"os-quota-sets:show", "os-quota-sets:detail", "os-security-groups:list", "os-security-groups:get",
		"os-security-groups:show", "os-server-password:show", "server-topology:index", "os-volumes-attachments:index",
		"os-volumes-attachments:show", "os-floating-ips:list", "os-floating-ips:show", "os-networks:list", "os-networks:show",
		"os-tenant-networks:list", "os-tenant-networks:show", "os-volumes:list", "os-volumes:detail", "os-volumes:show",
		"os-volumes:snapshots:list", "os-volumes:snapshots:detail", "os-volumes:snapshots:show", "os-server-shares:index",
		"os-server-shares:show", "os-multinic:show", "os-floating-ip-pools:list")
	add(ruleMemberOrAdmin,
		"servers:create", "servers:create:attach_volume", "servers:create:attach_network", "servers:create:trusted_certs",
		"servers:delete", "servers:update", "servers:confirm_resize", "servers:revert_resize", "servers:reboot",
		"servers:resize", "servers:rebuild", "servers:rebuild:trusted_certs", "servers:create_image",
		"servers:create_image:allow_volume_backed", "servers:start", "servers:stop", "servers:trigger_crash_dump",
		"os-admin-password", "os-attach-interfaces:create", "os-attach-interfaces:delete", "os-console-output",
		"os-create-backup", "os-deferred-delete:force", "os-deferred-delete:restore", "os-lock-server:lock",
		"os-lock-server:unlock", "os-pause-server:pause", "os-pause-server:unpause", "os-remote-consoles", "os-rescue",
		"os-unrescue", "os-security-groups:add", "os-security-groups:remove", "os-security-groups:create",
		"os-security-groups:update", "os-security-groups:delete", "os-security-groups:rule:create",
		"os-security-groups:rule:delete", "server-metadata:create", "server-metadata:update",
		"server-metadata:update_all", "server-metadata:delete", "os-server-tags:update", "os-server-tags:update_all",
		"os-server-tags:delete", "os-server-tags:delete_all", "os-server-groups:create", "os-server-groups:delete",
		"os-server-password:clear", "os-shelve:shelve", "os-shelve:unshelve", "os-suspend-server:suspend",
		"os-suspend-server:resume", "os-volumes-attachments:create", "os-volumes-attachments:update",
		"os-volumes-attachments:delete", "os-floating-ips:add", "os-floating-ips:remove", "os-floating-ips:create",
		"os-floating-ips:delete", "os-multinic:add", "os-multinic:remove", "os-volumes:create", "os-volumes:delete",
		"os-volumes:snapshots:create", "os-volumes:snapshots:delete", "os-server-shares:create", "os-server-shares:delete")
	add(ruleAdmin,
		"servers:index:get_all_tenants", "servers:detail:get_all_tenants", "servers:allow_all_filters",
		"servers:show:host_status", "servers:show:host_status:unknown-only", "servers:create:forced_host",
		"servers:create:zero_disk_flavor", "servers:migrations:index", "servers:migrations:show",
		"servers:migrations:force_complete", "servers:migrations:delete", "compute:servers:resize:cross_cell",
		"os-admin-actions:reset_state", "os-admin-actions:inject_network_info", "os-aggregates:index",
		"os-aggregates:create", "os-aggregates:show", "os-aggregates:update", "os-aggregates:delete",
		"os-aggregates:add_host", "os-aggregates:remove_host", "os-aggregates:set_metadata", "compute:aggregates:images",
		"os-assisted-volume-snapshots:create", "os-assisted-volume-snapshots:delete", "os-availability-zone:detail",
		"os-baremetal-nodes:list", "os-baremetal-nodes:show", "os-console-auth-tokens", "os-evacuate",
		"os-extended-server-attributes", "os-flavor-access", "os-flavor-access:add_tenant_access",
		"os-flavor-access:remove_tenant_access", "os-flavor-extra-specs:create", "os-flavor-extra-specs:update",
		"os-flavor-extra-specs:delete", "os-flavor-manage:create", "os-flavor-manage:update", "os-flavor-manage:delete",
		"os-hosts:list", "os-hosts:show", "os-hosts:update", "os-hosts:reboot", "os-hosts:shutdown", "os-hosts:start",
		"os-hypervisors:list", "os-hypervisors:list-detail", "os-hypervisors:statistics", "os-hypervisors:show",
		"os-hypervisors:uptime", "os-hypervisors:search", "os-hypervisors:servers", "os-instance-actions:events",
		"os-instance-actions:events:details", "os-instance-usage-audit-log:list", "os-instance-usage-audit-log:show",
		"os-lock-server:unlock:unlock_override", "os-migrate-server:migrate", "os-migrate-server:migrate:host",
		"os-migrate-server:migrate_live", "os-migrate-server:migrate_live:host", "os-migrations:index", "os-quota-class-sets:show", "os-quota-class-sets:update",
		"os-quota-sets:update", "os-quota-sets:delete", "os-server-diagnostics", "os-server-external-events:create",
		"os-server-groups:index:all_projects", "os-services:list", "os-services:update", "os-services:delete",
		"os-shelve:shelve_offload", "os-shelve:unshelve_to_host", "os-simple-tenant-usage:list",
		"os-used-limits", "limits:other_project", "server-topology:host:index", "os-volumes-attachments:swap")
	add(ruleAny, "flavors", "extensions", "versions", "os-availability-zone:list", "os-quota-sets:defaults")
	// Extra specs of a flavor are the reader's of the token's own project.
	add(ruleReaderOrAdmin, "os-flavor-extra-specs:index", "os-flavor-extra-specs:show")
	own := "(" + ruleAdmin + ") or user_id:%(user_id)s"
	add(own, "os-keypairs:index", "os-keypairs:create", "os-keypairs:show", "os-keypairs:delete")
	out = append(out, policy.Rule{Name: "network:attach_external_network", Check: ruleAdmin, Scopes: []string{"project"}})
	return out
}

// check asks the policy, and words the refusal as Nova does.
func (s *core) check(ctx context.Context, rule string, t policy.Target) error {
	err := s.policy.Check(ctx, "os_compute_api:"+rule, t)
	if errs.Is(err, errs.Forbidden) {
		return errs.New(errs.Forbidden, "Policy doesn't allow os_compute_api:%s to be performed.", rule)
	}
	return err
}

// checkOwn asks a rule about the actor's own project.
func (s *core) checkOwn(ctx context.Context, rule string) error {
	return s.check(ctx, rule, own(ctx))
}

// may asks a rule about the actor's own project, for answers that show less to some.
func (s *core) may(ctx context.Context, rule string) bool {
	return s.policy.Allowed(ctx, "os_compute_api:"+rule, own(ctx))
}

func own(ctx context.Context) policy.Target {
	a := actor.From(ctx)
	return policy.Target{"project_id": a.ProjectID, "user_id": a.UserID}
}

func (s *core) isAdmin(ctx context.Context) bool {
	return s.policy.Allowed(ctx, "context_is_admin", nil)
}
