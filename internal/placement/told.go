package placement

import (
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/store"
)

// Of placement OpenStack has no notifications.
type (
	providerState struct {
		Name       string `json:"name"`
		Generation int64  `json:"generation"`
		Parent     string `json:"parent_provider_uuid,omitempty"`
	}
	inventoryState struct {
		Provider string `json:"resource_provider"`
		Class    string `json:"resource_class"`
		Total    int64  `json:"total"`
		Reserved int64  `json:"reserved"`
	}
	consumerState struct {
		Type string `json:"consumer_type"`
	}
)

// tell has events published of providers, of what they have, and of who holds some
// of it: an allocation's resource is its consumer.
func tell(l *event.Log, db *store.DB, t Tables) {
	if l == nil {
		return
	}
	event.Observe(l, db, t.Providers.Name(), "placement.resource_provider", "", func(p *Provider) event.Subject {
		return event.Subject{Resource: p.ID, State: providerState{p.Name, p.Generation, p.ParentID}}
	})
	event.Observe(l, db, t.Inventories.Name(), "placement.inventory", "", func(i *Inventory) event.Subject {
		return event.Subject{Resource: i.ProviderID + "/" + i.Class, State: inventoryState{i.ProviderID, i.Class, i.Total, i.Reserved}}
	})
	event.Observe(l, db, t.Consumers.Name(), "placement.allocation", "", func(c *Consumer) event.Subject {
		return event.Subject{Resource: c.ID, Project: c.ProjectID, State: consumerState{c.Type}}
	})
}
