package placement

import "kumoi/internal/kernel/policy"

// The checks that OpenStack's newest defaults give to placement's rules. Only
// administrators and other services may use placement; a project's reader may
// ask what the project uses.
const (
	adminOrService  = "role:admin or role:service"
	readersOfUsages = "role:admin or role:service or (role:reader and project_id:%(project_id)s)"
)

func rules() []policy.Rule {
	out := []policy.Rule{
		{Name: "placement:usages", Check: readersOfUsages, Scopes: []string{"project"}, Description: "Show what a project, or one of its users, uses."},
		{Name: "placement:reshaper:reshape", Check: adminOrService, Scopes: []string{"project"}, Description: "Move inventories and allocations between providers at once."},
	}
	for _, r := range [][2]string{
		{"placement:resource_providers:list", "List resource providers."},
		{"placement:resource_providers:create", "Create a resource provider."},
		{"placement:resource_providers:show", "Show a resource provider."},
		{"placement:resource_providers:update", "Rename a resource provider or change its parent."},
		{"placement:resource_providers:delete", "Delete a resource provider."},
		{"placement:resource_providers:inventories:list", "List a provider's inventories."},
		{"placement:resource_providers:inventories:create", "Add an inventory to a provider."},
		{"placement:resource_providers:inventories:show", "Show one inventory of a provider."},
		{"placement:resource_providers:inventories:update", "Change a provider's inventories."},
		{"placement:resource_providers:inventories:delete", "Delete a provider's inventories."},
		{"placement:resource_providers:aggregates:list", "List the aggregates of a provider."},
		{"placement:resource_providers:aggregates:update", "Replace the aggregates of a provider."},
		{"placement:resource_providers:traits:list", "List the traits of a provider."},
		{"placement:resource_providers:traits:update", "Replace the traits of a provider."},
		{"placement:resource_providers:traits:delete", "Remove all traits of a provider."},
		{"placement:resource_providers:usages", "Show what is used of a provider."},
		{"placement:resource_providers:allocations:list", "List what consumers hold of a provider."},
		{"placement:resource_classes:list", "List resource classes."},
		{"placement:resource_classes:create", "Create a resource class."},
		{"placement:resource_classes:show", "Show a resource class."},
		{"placement:resource_classes:update", "Create, confirm or rename a resource class."},
		{"placement:resource_classes:delete", "Delete a resource class."},
		{"placement:traits:list", "List traits."},
		{"placement:traits:show", "Check that a trait exists."},
		{"placement:traits:update", "Create or confirm a trait."},
		{"placement:traits:delete", "Delete a trait."},
		{"placement:allocations:list", "List what a consumer holds."},
		{"placement:allocations:manage", "Set what several consumers hold."},
		{"placement:allocations:update", "Set what a consumer holds."},
		{"placement:allocations:delete", "Delete what a consumer holds."},
		{"placement:allocation_candidates:list", "List ways to satisfy a request for resources."},
	} {
		out = append(out, policy.Rule{Name: r[0], Check: adminOrService, Scopes: []string{"project"}, Description: r[1]})
	}
	return out
}
