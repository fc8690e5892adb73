package volume

import (
	"slices"

	"kumoi/internal/kernel/policy"
)

// The checks that rules share; the rules carry Cinder's names and defaults.
const (
	adminOnly     = "role:admin"
	projectReader = "role:admin or (role:reader and project_id:%(project_id)s)"
	projectMember = "role:admin or (role:member and project_id:%(project_id)s)"
)

// Rules returns the service's policy rules with their defaults.
func Rules() []policy.Rule {
	return slices.Concat(
		[]policy.Rule{{Name: "context_is_admin", Check: "role:admin", Service: "volume", Description: "Who counts as an administrator of volumes."}},
		rules(projectReader,
			"volume:get", "Show a volume.",
			"volume:get_all", "List volumes.",
			"volume:get_volume_metadata", "See a volume's metadata.",
			"volume:get_snapshot", "Show a snapshot.",
			"volume:get_all_snapshots", "List snapshots.",
			"volume:get_snapshot_metadata", "See a snapshot's metadata.",
			"volume:get_transfer", "Show a transfer.",
			"volume:get_all_transfers", "List transfers.",
			"volume_extension:volume_tenant_attribute", "See a volume's project.",
			"volume_extension:volume_encryption_metadata", "See how a volume is encrypted.",
			"volume_extension:volume_image_metadata:show", "See a volume's image metadata.",
			"volume_extension:extended_snapshot_attributes", "See a snapshot's project and progress.",
			"backup:get", "Show a backup.",
			"backup:get_all", "List backups.",
		),
		rules(projectMember,
			"volume:create", "Create a volume.",
			"volume:create_from_image", "Create a volume from an image.",
			"volume:update", "Change a volume.",
			"volume:delete", "Delete a volume.",
			"volume:multiattach", "Create a volume that may be attached several times.",
			"volume:create_volume_metadata", "Add metadata to a volume.",
			"volume:update_volume_metadata", "Change a volume's metadata.",
			"volume:delete_volume_metadata", "Delete a volume's metadata.",
			"volume:extend", "Extend a volume.",
			"volume:extend_attached_volume", "Extend a volume in use.",
			"volume:revert_to_snapshot", "Revert a volume to its last snapshot.",
			"volume:retype", "Change a volume's type.",
			"volume:update_readonly_flag", "Make a volume read-only.",
			"volume:reimage", "Write an image over a volume.",
			"volume:reimage_reserved", "Write an image over a reserved volume.",
			"volume:attachment_create", "Create an attachment.",
			"volume:attachment_update", "Update an attachment.",
			"volume:attachment_delete", "Delete an attachment.",
			"volume:attachment_complete", "Complete an attachment.",
			"volume:multiattach_bootable_volume", "Attach a bootable volume several times.",
			"volume_extension:volume_image_metadata:set", "Set a volume's image metadata.",
			"volume_extension:volume_image_metadata:remove", "Remove a volume's image metadata.",
			"volume_extension:volume_actions:set_bootable", "Make a volume bootable.",
			"volume_extension:volume_actions:upload_image", "Upload a volume as an image.",
			"volume_extension:volume_actions:initialize_connection", "Initialize a connection.",
			"volume_extension:volume_actions:terminate_connection", "Terminate a connection.",
			"volume_extension:volume_actions:roll_detaching", "Roll back the beginning of a detachment.",
			"volume_extension:volume_actions:reserve", "Reserve a volume.",
			"volume_extension:volume_actions:unreserve", "Unreserve a volume.",
			"volume_extension:volume_actions:begin_detaching", "Begin to detach a volume.",
			"volume_extension:volume_actions:attach", "Attach a volume.",
			"volume_extension:volume_actions:detach", "Detach a volume.",
			"volume:create_snapshot", "Create a snapshot.",
			"volume:update_snapshot", "Change a snapshot.",
			"volume:delete_snapshot", "Delete a snapshot.",
			"volume:update_snapshot_metadata", "Change a snapshot's metadata.",
			"volume:delete_snapshot_metadata", "Delete a snapshot's metadata.",
			"snapshot_extension:snapshot_actions:update_snapshot_status", "Report a snapshot's progress.",
			"volume:create_transfer", "Create a transfer.",
			"volume:accept_transfer", "Accept a transfer.",
			"volume:delete_transfer", "Delete a transfer.",
			"backup:create", "Create a backup.",
			"backup:update", "Change a backup.",
			"backup:delete", "Delete a backup.",
			"backup:restore", "Restore a backup.",
		),
		rules(adminOnly,
			"volume:force_delete", "Delete a volume by force.",
			"volume:update_volume_admin_metadata", "Change a volume's administrative metadata.",
			"volume_extension:volume_host_attribute", "See a volume's backend.",
			"volume_extension:volume_mig_status_attribute", "See a volume's migration.",
			"volume_extension:volume_admin_actions:reset_status", "Reset a volume's status.",
			"volume_extension:volume_admin_actions:force_delete", "Delete a volume by force.",
			"volume_extension:volume_admin_actions:force_detach", "Detach a volume by force.",
			"volume_extension:volume_admin_actions:migrate_volume", "Migrate a volume.",
			"volume_extension:volume_admin_actions:migrate_volume_completion", "Complete a migration.",
			"volume_extension:volume_actions:upload_public", "Upload a volume as a public image.",
			"volume_extension:volume_admin_actions:extend_volume_completion", "Complete the extension of a volume in use.",
			"volume_extension:volume_manage", "Take over what lies in a backend as a volume.",
			"volume_extension:volume_unmanage", "Release a volume and keep its bytes.",
			"volume_extension:list_manageable", "List what in a backend may be taken over.",
			"volume_extension:snapshot_admin_actions:reset_status", "Reset a snapshot's status.",
			"volume_extension:snapshot_admin_actions:force_delete", "Delete a snapshot by force.",
			"snapshot_extension:list_manageable", "List snapshots that may be taken over.",
			"snapshot_extension:snapshot_manage", "Take over a snapshot.",
			"snapshot_extension:snapshot_unmanage", "Release a snapshot.",
			"volume_extension:backup_admin_actions:reset_status", "Reset a backup's status.",
			"volume_extension:backup_admin_actions:force_delete", "Delete a backup by force.",
			"backup:backup-import", "Import a backup's record.",
			"backup:export-import", "Export a backup's record.",
			"backup:backup_project_attribute", "See a backup's project.",
		),
		familyRules(),
	)
}

// rules are several with the same default: names and what they are about.
func rules(check string, pairs ...string) []policy.Rule {
	out := make([]policy.Rule, 0, len(pairs)/2)
	for p := range slices.Chunk(pairs, 2) {
		out = append(out, policy.Rule{Name: p[0], Check: check, Scopes: []string{"project"}, Description: p[1]})
	}
	return out
}
