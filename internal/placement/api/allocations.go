package api

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
	"kumoi/internal/placement"
)

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// nobody owns what clients older than version 1.8 allocate.
const nobody = "00000000-0000-0000-0000-000000000000"

var (
	oneConsumer      = bodySchema(func(minor int) schema.Object { return claimBody(minor, minor < 28) })
	severalConsumers = bodySchema(func(minor int) schema.Object {
		all := mapOf(uuidPattern, claimBody(minor, false))
		all["minProperties"] = 1
		return all
	})
)

// claimBody is the schema of what one consumer shall hold; some says that it must
// be something.
func claimBody(minor int, some bool) schema.Object {
	fields, required := schema.Object{}, []string{"allocations"}
	need := func(since int, name string, field schema.Object) {
		if minor >= since {
			fields[name], required = field, append(required, name)
		}
	}
	amounts := mapOf(classPattern, schema.Object{"type": "integer", "minimum": 1, "maximum": placement.MaxAmount})
	amounts["minProperties"] = 1
	if minor < 12 {
		provider := objectSchema([]string{"uuid"}, schema.Object{"uuid": uuidText})
		fields["allocations"] = schema.Object{"type": "array", "minItems": 1, "items": objectSchema([]string{"resource_provider", "resources"}, schema.Object{"resource_provider": provider, "resources": amounts})}
	} else {
		byProvider := mapOf(uuidPattern, objectSchema([]string{"resources"}, schema.Object{"generation": anyInt, "resources": amounts}))
		if some {
			byProvider["minProperties"] = 1
		}
		fields["allocations"] = byProvider
	}
	need(8, "project_id", text255)
	need(8, "user_id", text255)
	need(28, "consumer_generation", schema.Object{"type": []string{"integer", "null"}})
	need(38, "consumer_type", className)
	if minor >= 34 {
		fields["mappings"] = schema.Object{
			"type": "object", "minProperties": 1,
			"patternProperties": schema.Object{"^[a-zA-Z0-9_-]{0,64}$": schema.Object{"type": "array", "minItems": 1, "items": uuidText}},
		}
	}
	return objectSchema(required, fields)
}

// owned is what bodies of all versions say beside the allocations.
type owned struct {
	ProjectID  string `json:"project_id"`
	UserID     string `json:"user_id"`
	Generation *int64 `json:"consumer_generation"`
	Type       string `json:"consumer_type"`
}

// claim is a consumer's allocations from version 1.12 on.
type claim struct {
	owned
	Allocations map[string]struct {
		Resources map[string]int64 `json:"resources"`
	} `json:"allocations"`
}

// oldClaim is a consumer's allocations before version 1.12.
type oldClaim struct {
	owned
	Allocations []struct {
		Provider struct {
			UUID string `json:"uuid"`
		} `json:"resource_provider"`
		Resources map[string]int64 `json:"resources"`
	} `json:"allocations"`
}

// lift begins a request for a consumer; allocate adds to it.
func (o owned) lift(r *httpx.Request, consumer string) (placement.AllocationSet, error) {
	set := placement.AllocationSet{
		Consumer:  placement.Consumer{ID: dashed(consumer), ProjectID: cmp.Or(o.ProjectID, nobody), UserID: cmp.Or(o.UserID, nobody), Type: o.Type},
		Resources: map[string]map[string]int64{}, Checked: r.AtLeast(1, 28), Expect: o.Generation, KeepType: !r.AtLeast(1, 38),
	}
	if !ids.IsUUID(consumer) {
		return set, errs.New(errs.Invalid, "Malformed consumer_uuid: %.100s", consumer)
	}
	return set, nil
}

func allocate(set placement.AllocationSet, provider string, amounts map[string]int64) error {
	id := dashed(provider)
	if set.Resources[id] != nil {
		return errs.New(errs.Invalid, "Resource provider '%s' is named more than once.", id)
	}
	set.Resources[id] = amounts
	return nil
}

func (c claim) lift(r *httpx.Request, consumer string) (placement.AllocationSet, error) {
	set, err := c.owned.lift(r, consumer)
	if err != nil {
		return set, err
	}
	for provider, a := range c.Allocations {
		if err := allocate(set, provider, a.Resources); err != nil {
			return set, err
		}
	}
	return set, nil
}

func (c oldClaim) lift(r *httpx.Request, consumer string) (placement.AllocationSet, error) {
	set, err := c.owned.lift(r, consumer)
	if err != nil {
		return set, err
	}
	for _, a := range c.Allocations {
		if err := allocate(set, a.Provider.UUID, a.Resources); err != nil {
			return set, err
		}
	}
	return set, nil
}

// claims are those of several consumers.
type claims map[string]claim

func (in claims) lift(r *httpx.Request) ([]placement.AllocationSet, error) {
	var sets []placement.AllocationSet
	for _, consumer := range sorted(in) {
		set, err := in[consumer].lift(r, consumer)
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// readClaim reads a body of either time.
func readClaim[T interface {
	lift(r *httpx.Request, consumer string) (placement.AllocationSet, error)
}](r *httpx.Request) (placement.AllocationSet, error) {
	in, err := rest.Body[T](r, oneConsumer)
	if err != nil {
		return placement.AllocationSet{}, err
	}
	return in.lift(r, r.Var("consumer_uuid"))
}

func (a *api) setAllocations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	read := readClaim[claim]
	if !r.AtLeast(1, 12) {
		read = readClaim[oldClaim]
	}
	set, err := read(r)
	if err != nil {
		return nil, err
	}
	return done(a.svc.Allocations.Set(ctx, set))
}

func (a *api) manageAllocations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := rest.Body[claims](r, severalConsumers)
	if err != nil {
		return nil, err
	}
	sets, err := in.lift(r)
	if err != nil {
		return nil, err
	}
	return done(a.svc.Allocations.SetMany(ctx, sets))
}

func (a *api) deleteAllocations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Allocations.Delete(ctx, r.Var("consumer_uuid")))
}

func (a *api) listAllocations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	c, held, err := a.svc.Allocations.List(ctx, r.Var("consumer_uuid"))
	if err != nil {
		return nil, err
	}
	return answer(r, http.StatusOK, newestOf(held), func(w *rest.Writer) {
		viewHoldings(w, held, func(a *placement.Allocation) string { return a.ProviderID }, "generation")
		if len(held.Rows) == 0 {
			return
		}
		if r.AtLeast(1, 12) {
			w.Text("project_id", c.ProjectID)
			w.Text("user_id", c.UserID)
		}
		if r.AtLeast(1, 28) {
			w.Int("consumer_generation", c.Generation)
		}
		if r.AtLeast(1, 38) {
			w.Text("consumer_type", cmp.Or(c.Type, unknownType))
		}
	}), nil
}

func (a *api) providerAllocations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, held, err := a.svc.Allocations.Of(ctx, r.Var("uuid"))
	if err != nil {
		return nil, err
	}
	generation := ""
	if r.AtLeast(1, 28) {
		generation = "consumer_generation"
	}
	return answer(r, http.StatusOK, newestOf(held), func(w *rest.Writer) {
		viewHoldings(w, held, func(a *placement.Allocation) string { return a.ConsumerID }, generation)
		w.Int("resource_provider_generation", p.Generation)
	}), nil
}

// viewHoldings writes allocations by what is at their other end, with its
// generation under a key, if there is one.
func viewHoldings(w *rest.Writer, held placement.Holdings, end func(*placement.Allocation) string, generation string) {
	amounts := map[string]map[string]int64{}
	for _, a := range held.Rows {
		if amounts[end(a)] == nil {
			amounts[end(a)] = map[string]int64{}
		}
		amounts[end(a)][a.Class] = a.Used
	}
	w.Object("allocations", func() {
		for _, id := range sorted(amounts) {
			w.Object(id, func() {
				viewAmounts(w, amounts[id])
				if generation != "" {
					w.Int(generation, held.Generations[id])
				}
			})
		}
	})
}

func newestOf(held placement.Holdings) (t time.Time) {
	for _, a := range held.Rows {
		t = later(t, a.UpdatedAt)
	}
	return t
}
