package sqlstore

import (
	"context"

	"kumoi/internal/kernel/store"
	"kumoi/internal/placement"
)

// Held returns the allocations of a consumer, or those from a provider.
func (Store) Held(ctx context.Context, tx *store.Tx, consumerID, providerID string) ([]placement.Held, error) {
	q := store.Select(`SELECT a.consumer_id, a.provider_id, p.name, a.class, a.used, p.generation, c.generation, a.updated_at
		FROM placement_allocation a JOIN placement_provider p ON p.id = a.provider_id
		JOIN placement_consumer c ON c.id = a.consumer_id`).OrderBy("a.consumer_id, p.name, a.class")
	if consumerID != "" {
		q.Where("a.consumer_id = ?", consumerID)
	}
	if providerID != "" {
		q.Where("a.provider_id = ?", providerID)
	}
	return store.Find(ctx, tx, func(r store.Row) (placement.Held, error) {
		var h placement.Held
		var created int64
		err := r.Scan(&h.ConsumerID, &h.ProviderID, &h.ProviderName, &h.Class, &h.Used, &h.ProviderGeneration, &h.ConsumerGeneration, &created)
		h.CreatedAt = store.Time(created)
		return h, err
	}, q)
}

func ofProject(sel, projectID, userID string) *store.Selection {
	q := store.Select(sel+" FROM placement_allocation a JOIN placement_consumer c ON c.id = a.consumer_id").Where("c.project_id = ?", projectID)
	if userID != "" {
		q.Where("c.user_id = ?", userID)
	}
	return q
}

// ProjectUsage sums the allocations of a project, or of one user in it, by type and class.
func (Store) ProjectUsage(ctx context.Context, tx *store.Tx, projectID, userID string) ([]placement.Usage, error) {
	text, args := ofProject("SELECT c.type, a.class, CAST(SUM(a.used) AS BIGINT)", projectID, userID).SQL()
	return store.All(ctx, tx, func(r store.Row) (placement.Usage, error) {
		var u placement.Usage
		err := r.Scan(&u.ConsumerType, &u.Class, &u.Used)
		return u, err
	}, text+" GROUP BY c.type, a.class ORDER BY c.type, a.class", args...)
}

// ProjectConsumers counts the consumers that hold something, by type.
func (Store) ProjectConsumers(ctx context.Context, tx *store.Tx, projectID, userID string) (map[string]int64, error) {
	out := map[string]int64{}
	text, args := ofProject("SELECT c.type, COUNT(DISTINCT c.id)", projectID, userID).SQL()
	_, err := store.All(ctx, tx, func(r store.Row) (struct{}, error) {
		var kind string
		var n int64
		err := r.Scan(&kind, &n)
		out[kind] = n
		return struct{}{}, err
	}, text+" GROUP BY c.type", args...)
	return out, err
}
