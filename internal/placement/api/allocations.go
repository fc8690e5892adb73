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
	"kumoi/internal/kernel/schema"
	"kumoi/internal/placement"
)

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// nobody owns what clients older than version 1.8 allocate.
const nobody = "00000000-0000-0000-0000-000000000000"

var amounts = object{
	"type": "object", "minProperties": 1, "additionalProperties": false,
	"patternProperties": object{classPattern: object{"type": "integer", "minimum": 1, "maximum": placement.MaxAmount}},
}

// The bodies of allocations by the version that brought each: of one consumer,
// and of several.
var (
	owner   = []string{"project_id", "user_id"}
	oneBody = map[int]object{
		0: allocationBody(listOfAllocations()), 8: allocationBody(listOfAllocations(), owner...),
		12: allocationBody(mapOfAllocations(1), owner...),
		28: manyBody[28], 34: manyBody[34], 38: manyBody[38],
	}
	manyBody = map[int]object{
		13: allocationBody(mapOfAllocations(0), owner...),
		28: allocationBody(mapOfAllocations(0), append(owner, "consumer_generation")...),
		34: mapped(allocationBody(mapOfAllocations(0), append(owner, "consumer_generation")...)),
		38: mapped(allocationBody(mapOfAllocations(0), append(owner, "consumer_generation", "consumer_type")...)),
	}
	oneConsumer      = compileAll(oneBody, func(o object) object { return o })
	severalConsumers = compileAll(manyBody, several)
	reshaper         = compileAll(manyBody, reshaping)
)

func compileAll(bodies map[int]object, wrap func(object) object) map[int]*schema.Schema {
	out := map[int]*schema.Schema{}
	for minor, b := range bodies {
		out[minor] = compile(wrap(b))
	}
	return out
}

func listOfAllocations() object {
	provider := body([]string{"uuid"}, object{"uuid": uuidText})
	return object{"type": "array", "minItems": 1, "items": body([]string{"resource_provider", "resources"}, object{"resource_provider": provider, "resources": amounts})}
}

func mapOfAllocations(least int) object {
	return object{
		"type": "object", "minProperties": least, "additionalProperties": false,
		"patternProperties": object{uuidPattern: body([]string{"resources"}, object{"generation": anyInt, "resources": amounts})},
	}
}

func allocationBody(allocations object, more ...string) object {
	fields := object{"allocations": allocations}
	for _, name := range more {
		switch name {
		case "consumer_generation":
			fields[name] = object{"type": []string{"integer", "null"}}
		case "consumer_type":
			fields[name] = className
		default:
			fields[name] = text255
		}
	}
	return body(append([]string{"allocations"}, more...), fields)
}

func mapped(b object) object {
	b["properties"].(object)["mappings"] = object{
		"type": "object", "minProperties": 1,
		"patternProperties": object{"^[a-zA-Z0-9_-]{0,64}$": object{"type": "array", "minItems": 1, "items": uuidText}},
	}
	return b
}

func several(one object) object {
	return object{"type": "object", "minProperties": 1, "additionalProperties": false, "patternProperties": object{uuidPattern: one}}
}

// pick returns the newest schema that the request's version knows.
func pick(r *httpx.Request, byMinor map[int]*schema.Schema) *schema.Schema {
	var best *schema.Schema
	for _, minor := range sorted(byMinor) {
		if r.AtLeast(1, minor) {
			best = byMinor[minor]
		}
	}
	return best
}

// claim is a consumer's allocations from version 1.12 on.
type claim struct {
	Allocations map[string]struct {
		Resources map[string]int64 `json:"resources"`
	} `json:"allocations"`
	ProjectID  string `json:"project_id"`
	UserID     string `json:"user_id"`
	Generation *int64 `json:"consumer_generation"`
	Type       string `json:"consumer_type"`
}

func (c claim) lift(r *httpx.Request, consumer string) (placement.AllocationSet, error) {
	set := placement.AllocationSet{
		Consumer:  placement.Consumer{ID: dashed(consumer), ProjectID: c.ProjectID, UserID: c.UserID, Type: c.Type},
		Resources: map[string]map[string]int64{}, Checked: r.AtLeast(1, 28), Expect: c.Generation, KeepType: !r.AtLeast(1, 38),
	}
	if !ids.IsUUID(consumer) {
		return set, errs.New(errs.Invalid, "Malformed consumer_uuid: %.100s", consumer)
	}
	for provider, a := range c.Allocations {
		id := dashed(provider)
		if set.Resources[id] != nil {
			return set, errs.New(errs.Invalid, "Resource provider '%s' is named more than once.", id)
		}
		set.Resources[id] = a.Resources
	}
	return set, nil
}

// oldClaim is a consumer's allocations before version 1.12.
type oldClaim struct {
	Allocations []struct {
		Provider struct {
			UUID string `json:"uuid"`
		} `json:"resource_provider"`
		Resources map[string]int64 `json:"resources"`
	} `json:"allocations"`
	ProjectID string `json:"project_id"`
	UserID    string `json:"user_id"`
}

func (c oldClaim) lift(r *httpx.Request, consumer string) (placement.AllocationSet, error) {
	set, err := claim{ProjectID: cmp.Or(c.ProjectID, nobody), UserID: cmp.Or(c.UserID, nobody)}.lift(r, consumer)
	for _, a := range c.Allocations {
		id := dashed(a.Provider.UUID)
		if set.Resources[id] != nil {
			return set, errs.New(errs.Invalid, "Resource provider '%s' is named more than once.", id)
		}
		set.Resources[id] = a.Resources
	}
	return set, err
}

func (a *api) setAllocations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var set placement.AllocationSet
	var err error
	if r.AtLeast(1, 12) {
		var in claim
		if err := decode(r, pick(r, oneConsumer), &in); err != nil {
			return nil, err
		}
		set, err = in.lift(r, r.Var("consumer_uuid"))
	} else {
		var in oldClaim
		if err := decode(r, pick(r, oneConsumer), &in); err != nil {
			return nil, err
		}
		set, err = in.lift(r, r.Var("consumer_uuid"))
	}
	if err != nil {
		return nil, err
	}
	return done(a.svc.SetAllocations(ctx, set))
}

func (a *api) manageAllocations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var in map[string]claim
	if err := decode(r, pick(r, severalConsumers), &in); err != nil {
		return nil, err
	}
	sets, err := liftClaims(r, in)
	if err != nil {
		return nil, err
	}
	return done(a.svc.ManageAllocations(ctx, sets))
}

func liftClaims(r *httpx.Request, in map[string]claim) ([]placement.AllocationSet, error) {
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

func (a *api) deleteAllocations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.DeleteAllocations(ctx, r.Var("consumer_uuid")))
}

func (a *api) listAllocations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	c, held, err := a.svc.ConsumerAllocations(ctx, r.Var("consumer_uuid"))
	if err != nil {
		return nil, err
	}
	byProvider := map[string]object{}
	for _, h := range held {
		if byProvider[h.ProviderID] == nil {
			byProvider[h.ProviderID] = object{"generation": h.ProviderGeneration, "resources": object{}}
		}
		byProvider[h.ProviderID]["resources"].(object)[h.Class] = h.Used
	}
	v := object{"allocations": byProvider}
	if len(held) > 0 {
		if r.AtLeast(1, 12) {
			v["project_id"], v["user_id"] = c.ProjectID, c.UserID
		}
		if r.AtLeast(1, 28) {
			v["consumer_generation"] = c.Generation
		}
		if r.AtLeast(1, 38) {
			v["consumer_type"] = cmp.Or(c.Type, unknownType)
		}
	}
	return dated(r, httpx.JSON(http.StatusOK, v), newestOf(held)), nil
}

func newestOf(held []placement.Held) time.Time {
	var t time.Time
	for _, h := range held {
		if h.CreatedAt.After(t) {
			t = h.CreatedAt
		}
	}
	return t
}

func (a *api) providerAllocations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, held, err := a.svc.ProviderAllocations(ctx, r.Var("uuid"))
	if err != nil {
		return nil, err
	}
	byConsumer := map[string]object{}
	for _, h := range held {
		if byConsumer[h.ConsumerID] == nil {
			byConsumer[h.ConsumerID] = object{"resources": object{}}
		}
		byConsumer[h.ConsumerID]["resources"].(object)[h.Class] = h.Used
		if r.AtLeast(1, 28) {
			byConsumer[h.ConsumerID]["consumer_generation"] = h.ConsumerGeneration
		}
	}
	v := object{"allocations": byConsumer, "resource_provider_generation": p.Generation}
	return dated(r, httpx.JSON(http.StatusOK, v), newestOf(held)), nil
}
