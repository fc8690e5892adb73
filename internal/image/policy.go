package image

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
)

// The service's rules carry Glance's names. The checks that several share:
const (
	isAdmin       = "rule:context_is_admin"
	isService     = "(role:service or role:admin)"
	projectMember = "role:member and project_id:%(project_id)s"
	projectReader = "role:reader and project_id:%(project_id)s"
	anySharing    = `project_id:%(project_id)s or project_id:%(member_id)s or "community":%(visibility)s` +
		` or "public":%(visibility)s or "shared":%(visibility)s`

	adminOrMember       = isAdmin + " or (" + projectMember + ")"
	adminOrReader       = isAdmin + " or (" + projectReader + ")"
	adminOrAnyReader    = isAdmin + " or (role:reader and (" + anySharing + "))"
	adminOrAnyMember    = isAdmin + " or (role:member and (" + anySharing + "))"
	adminOrSharedMember = isAdmin + " or (role:member and project_id:%(member_id)s)"
	adminOrReaderShared = isAdmin + " or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))"
	adminOrNamespace    = isAdmin + ` or (role:reader and (project_id:%(project_id)s or "public":%(visibility)s))`
)

var scopes = []string{"project"}

// Rules returns the service's policy rules with their defaults.
func Rules() []policy.Rule {
	rule := func(name, check, what string) policy.Rule {
		return policy.Rule{Name: name, Check: check, Description: what}
	}
	scoped := func(name, check, what string) policy.Rule {
		r := rule(name, check, what)
		r.Scopes = scopes
		return r
	}
	return []policy.Rule{
		rule("context_is_admin", "role:admin", "Who counts as an administrator of images."),

		scoped("add_image", isAdmin+" or ("+projectMember+" and project_id:%(owner)s)", "Create an image."),
		scoped("delete_image", adminOrMember, "Delete an image."),
		scoped("get_image", adminOrAnyReader, "Show an image."),
		scoped("get_images", adminOrReader, "List images."),
		scoped("modify_image", adminOrMember, "Change an image's record, stage or import its data."),
		scoped("publicize_image", isAdmin, "Make an image public."),
		scoped("communitize_image", adminOrMember, "Make an image a community image."),
		scoped("download_image", adminOrAnyMember, "Read an image's data."),
		scoped("download_from_store", adminOrAnyMember, "Choose the store to read an image's data from."),
		scoped("upload_image", adminOrMember, "Upload an image's data."),
		scoped("delete_image_location", isAdmin, "Remove one of an image's locations."),
		scoped("get_image_location", adminOrReader, "See an image's locations in its record."),
		scoped("set_image_location", adminOrMember, "Set an image's locations."),
		scoped("add_image_location", isService+" or ("+projectMember+" and project_id:%(owner)s)", "Give an image its first location."),
		scoped("fetch_image_location", isService, "List an image's locations."),
		scoped("add_member", adminOrMember, "Share an image with a project."),
		scoped("delete_member", adminOrMember, "Stop sharing an image with a project."),
		scoped("get_member", adminOrReaderShared, "Show a member of an image."),
		scoped("get_members", adminOrReaderShared, "List the members of an image."),
		scoped("modify_member", adminOrSharedMember, "Accept or reject a shared image."),
		scoped("manage_image_cache", isAdmin, "Manage the image cache."),
		scoped("deactivate", adminOrMember, "Deactivate an image."),
		scoped("reactivate", adminOrMember, "Reactivate an image."),
		scoped("copy_image", isAdmin, "Copy an image's data to further stores."),
		scoped("list_cached_nodes", isAdmin, "List the nodes that cache an image."),

		rule("get_task", "", "Show a task."),
		rule("get_tasks", "", "List tasks."),
		rule("add_task", "", "Create a task."),
		rule("modify_task", "", "Change a task."),
		scoped("tasks_api_access", isAdmin, "Use the task API at all."),

		scoped("cache_image", isAdmin, "Queue an image for the cache."),
		scoped("cache_list", isAdmin, "List cached and queued images."),
		scoped("cache_delete", isAdmin, "Drop images from the cache or its queue."),
		scoped("cache_clean", isAdmin, "Remove broken files from the cache."),
		scoped("cache_prune", isAdmin, "Shrink the cache to its limit."),
		scoped("stores_info_detail", isAdmin+" or "+isService, "See the stores' details."),

		rule("metadef_default", "", "Default of the metadata definition rules."),
		rule("metadef_admin", isAdmin, "Who may change metadata definitions."),
		scoped("get_metadef_namespace", adminOrNamespace, "Show a namespace."),
		scoped("get_metadef_namespaces", adminOrReader, "List namespaces."),
		rule("modify_metadef_namespace", "rule:metadef_admin", "Change a namespace."),
		rule("add_metadef_namespace", "rule:metadef_admin", "Create a namespace."),
		rule("delete_metadef_namespace", "rule:metadef_admin", "Delete a namespace."),
		scoped("get_metadef_object", adminOrNamespace, "Show an object."),
		scoped("get_metadef_objects", adminOrNamespace, "List objects."),
		rule("modify_metadef_object", "rule:metadef_admin", "Change an object."),
		rule("add_metadef_object", "rule:metadef_admin", "Create an object."),
		rule("delete_metadef_object", "rule:metadef_admin", "Delete an object."),
		scoped("list_metadef_resource_types", adminOrNamespace, "List resource types."),
		scoped("get_metadef_resource_type", adminOrNamespace, "List a namespace's resource types."),
		rule("add_metadef_resource_type_association", "rule:metadef_admin", "Associate a resource type."),
		rule("remove_metadef_resource_type_association", "rule:metadef_admin", "Dissociate a resource type."),
		scoped("get_metadef_property", adminOrNamespace, "Show a property."),
		scoped("get_metadef_properties", adminOrNamespace, "List properties."),
		rule("modify_metadef_property", "rule:metadef_admin", "Change a property."),
		rule("add_metadef_property", "rule:metadef_admin", "Create a property."),
		rule("remove_metadef_property", "rule:metadef_admin", "Delete a property."),
		scoped("get_metadef_tag", adminOrNamespace, "Show a tag."),
		scoped("get_metadef_tags", adminOrNamespace, "List tags."),
		rule("modify_metadef_tag", "rule:metadef_admin", "Rename a tag."),
		rule("add_metadef_tag", "rule:metadef_admin", "Create a tag."),
		rule("add_metadef_tags", "rule:metadef_admin", "Create several tags."),
		rule("delete_metadef_tag", "rule:metadef_admin", "Delete a tag."),
		rule("delete_metadef_tags", "rule:metadef_admin", "Delete all tags of a namespace."),
	}
}

// admin tells whether the actor is an administrator of images.
func (s *Service) admin(ctx context.Context) bool {
	return s.policy.Allowed(ctx, "context_is_admin", nil)
}

// check asks whether the actor may do what rule names to img, which it can
// see. Who may not even show the image is told that there is none.
func (s *Service) check(ctx context.Context, rule string, img *Image) error {
	err := s.policy.Check(ctx, rule, img.target())
	if err == nil || !errs.Is(err, errs.Forbidden) {
		return err
	}
	if rule == "get_image" || !s.policy.Allowed(ctx, "get_image", img.target()) {
		return notFound(img.ID)
	}
	return err
}

// own is the target of a rule that concerns the actor's own project.
func own(ctx context.Context) policy.Target {
	return policy.Target{"project_id": actor.From(ctx).ProjectID}
}
