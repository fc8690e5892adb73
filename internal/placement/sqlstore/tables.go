// Package sqlstore keeps placement's tables.
package sqlstore

import (
	"embed"

	"kumoi/internal/kernel/store"
	"kumoi/internal/placement"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is placement's schema.
func Migrations() store.Migrations { return store.Migrations{Service: "placement", FS: files} }

// Tables are where placement's rows are kept.
func Tables() placement.Tables {
	return placement.Tables{
		Providers: providers(), Inventories: inventories(), Traits: traits(), Classes: classes(),
		ProviderTraits: providerTraits(), ProviderAggregates: providerAggregates(),
		Consumers: consumers(), Allocations: allocations(), Ledger: ledger{},
	}
}

func providers() *store.Table[placement.Provider] {
	has := func(table, column string) store.Expr {
		return store.SQL("EXISTS (SELECT 1 FROM " + table + " h WHERE h.provider_id = placement_provider.id AND h." + column + " = ?)")
	}
	return store.NewTable("placement_provider", func(p *placement.Provider, c *store.Columns) {
		c.Key("id", &p.ID)
		c.Text("name", &p.Name)
		c.Int64("generation", &p.Generation)
		c.Text("parent_id", &p.ParentID)
		c.Text("root_id", &p.RootID)
		c.Time("created_at", &p.CreatedAt)
		c.Time("updated_at", &p.UpdatedAt)
	}).
		Set("traits", has("placement_provider_trait", "trait")).
		Set("aggregates", has("placement_provider_aggregate", "aggregate_id")).
		Condition("in_tree", store.SQL("placement_provider.root_id = (SELECT t.root_id FROM placement_provider t WHERE t.id = ?)")).
		Condition("gives", store.SQL("placement_provider.id IN (SELECT a.provider_id FROM placement_allocation a WHERE a.consumer_id = ?)")).
		Condition("room", store.SQL(`EXISTS (SELECT 1 FROM placement_inventory i WHERE i.provider_id = placement_provider.id AND i.class = ?
			AND i.min_unit <= ? AND i.max_unit >= ? AND ? % i.step_size = 0 AND i.used + ? <= i.capacity)`))
}

func inventories() *store.Table[placement.Inventory] {
	return store.NewTable("placement_inventory", func(i *placement.Inventory, c *store.Columns) {
		c.Key("provider_id", &i.ProviderID)
		c.Key("class", &i.Class)
		c.Int64("total", &i.Total)
		c.Int64("reserved", &i.Reserved)
		c.Int64("min_unit", &i.MinUnit)
		c.Int64("max_unit", &i.MaxUnit)
		c.Int64("step_size", &i.StepSize)
		c.Float("allocation_ratio", &i.AllocationRatio)
		c.Int64("used", &i.Used)
		c.Time("updated_at", &i.UpdatedAt)
		c.Derived("capacity", store.KindInt, i.Capacity())
	})
}

func traits() *store.Table[placement.Trait] {
	return store.NewTable("placement_trait", func(t *placement.Trait, c *store.Columns) {
		c.Key("name", &t.Name)
		c.Time("created_at", &t.CreatedAt)
	}).Condition("used", store.SQL("EXISTS (SELECT 1 FROM placement_provider_trait h WHERE h.trait = placement_trait.name)"))
}

func classes() *store.Table[placement.Class] {
	return store.NewTable("placement_class", func(v *placement.Class, c *store.Columns) {
		c.Key("name", &v.Name)
		c.Time("created_at", &v.CreatedAt)
	})
}

func providerTraits() *store.Table[placement.ProviderTrait] {
	return store.NewTable("placement_provider_trait", func(v *placement.ProviderTrait, c *store.Columns) {
		c.Key("provider_id", &v.ProviderID)
		c.Key("trait", &v.Trait)
	})
}

func providerAggregates() *store.Table[placement.ProviderAggregate] {
	return store.NewTable("placement_provider_aggregate", func(v *placement.ProviderAggregate, c *store.Columns) {
		c.Key("provider_id", &v.ProviderID)
		c.Key("aggregate_id", &v.AggregateID)
	})
}

func consumers() *store.Table[placement.Consumer] {
	return store.NewTable("placement_consumer", func(v *placement.Consumer, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Generation("generation", &v.Generation)
		c.Text("project_id", &v.ProjectID)
		c.Text("user_id", &v.UserID)
		c.Text("type", &v.Type)
		c.Time("created_at", &v.CreatedAt)
		c.Time("updated_at", &v.UpdatedAt)
	}).Condition("holds", store.SQL("placement_consumer.id IN (SELECT a.consumer_id FROM placement_allocation a WHERE a.provider_id = ?)"))
}

func allocations() *store.Table[placement.Allocation] {
	return store.NewTable("placement_allocation", func(v *placement.Allocation, c *store.Columns) {
		c.Key("consumer_id", &v.ConsumerID)
		c.Key("provider_id", &v.ProviderID)
		c.Key("class", &v.Class)
		c.Int64("used", &v.Used)
		c.Time("updated_at", &v.UpdatedAt)
	})
}
