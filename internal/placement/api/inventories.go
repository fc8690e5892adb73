package api

import (
	"context"
	"net/http"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/placement"
)

// inventory is the body of one inventory; what is absent gets its default.
type inventory struct {
	Total      int64    `json:"total"`
	Reserved   int64    `json:"reserved"`
	MinUnit    *int64   `json:"min_unit"`
	MaxUnit    *int64   `json:"max_unit"`
	StepSize   *int64   `json:"step_size"`
	Ratio      *float64 `json:"allocation_ratio"`
	Class      string   `json:"resource_class"`
	Generation int64    `json:"resource_provider_generation"`
}

func inventoryFields() object {
	amount := func(least int) object {
		return object{"type": "integer", "minimum": least, "maximum": placement.MaxAmount}
	}
	return object{
		"total": amount(1), "reserved": amount(0), "min_unit": amount(1), "max_unit": amount(1), "step_size": amount(1),
		"allocation_ratio": object{"type": "number", "maximum": 3.40282e+38, "exclusiveMinimum": 0},
	}
}

func with(fields object, name string, field any) object {
	fields[name] = field
	return fields
}

var (
	className       = object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": classPattern}
	inventoriesOf   = object{"type": "object", "patternProperties": object{classPattern: body([]string{"total"}, inventoryFields())}, "additionalProperties": false}
	newInventory    = compile(body([]string{"total", "resource_class"}, with(with(inventoryFields(), "resource_class", className), "resource_provider_generation", anyInt)))
	oneInventory    = compile(body([]string{"total", "resource_provider_generation"}, with(inventoryFields(), "resource_provider_generation", anyInt)))
	manyInventories = compile(body([]string{"inventories", "resource_provider_generation"},
		object{"inventories": inventoriesOf, "resource_provider_generation": anyInt}))
)

// lift fills in defaults; before version 1.26 not all may be reserved.
func (i inventory) lift(r *httpx.Request, class string) (placement.Inventory, error) {
	out := placement.Inventory{
		Class: class, Total: i.Total, Reserved: i.Reserved, MinUnit: 1, MaxUnit: placement.MaxAmount, StepSize: 1, AllocationRatio: 1,
	}
	for from, to := range map[*int64]*int64{i.MinUnit: &out.MinUnit, i.MaxUnit: &out.MaxUnit, i.StepSize: &out.StepSize} {
		if from != nil {
			*to = *from
		}
	}
	if i.Ratio != nil {
		out.AllocationRatio = *i.Ratio
	}
	if !r.AtLeast(1, 26) && i.Reserved >= i.Total {
		return out, errs.New(errs.Invalid, "Invalid inventory for '%s': the reserved value %d is greater than or equal to total %d.", class, i.Reserved, i.Total)
	}
	return out, nil
}

func liftAll(r *httpx.Request, in map[string]inventory) ([]placement.Inventory, error) {
	out := []placement.Inventory{}
	for _, class := range sorted(in) {
		i, err := in[class].lift(r, class)
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}

func viewInventory(i placement.Inventory) object {
	return object{
		"total": i.Total, "reserved": i.Reserved, "min_unit": i.MinUnit, "max_unit": i.MaxUnit,
		"step_size": i.StepSize, "allocation_ratio": i.AllocationRatio,
	}
}

func oneView(r *httpx.Request, status int, p placement.Provider, i placement.Inventory) *httpx.Response {
	return dated(r, httpx.JSON(status, with(viewInventory(i), "resource_provider_generation", p.Generation)), i.UpdatedAt)
}

func manyView(r *httpx.Request, p placement.Provider, list []placement.Inventory) *httpx.Response {
	views := object{}
	var newest time.Time
	for _, i := range list {
		views[i.Class] = viewInventory(i)
		if i.UpdatedAt.After(newest) {
			newest = i.UpdatedAt
		}
	}
	return dated(r, httpx.JSON(http.StatusOK, object{"inventories": views, "resource_provider_generation": p.Generation}), newest)
}

func (a *api) listInventories(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, list, err := a.svc.ProviderInventories(ctx, r.Var("uuid"))
	if err != nil {
		return nil, err
	}
	return manyView(r, p, list), nil
}

func (a *api) showInventory(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, i, err := a.svc.ShowInventory(ctx, r.Var("uuid"), r.Var("resource_class"))
	if err != nil {
		return nil, err
	}
	return oneView(r, http.StatusOK, p, i), nil
}

func (a *api) createInventory(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var in inventory
	if err := decode(r, newInventory, &in); err != nil {
		return nil, err
	}
	i, err := in.lift(r, in.Class)
	if err != nil {
		return nil, err
	}
	p, err := a.svc.AddInventory(ctx, r.Var("uuid"), i)
	if err != nil {
		return nil, err
	}
	return oneView(r, http.StatusCreated, p, i).
		With("Location", location(r, "resource_providers", p.ID, "inventories", i.Class)), nil
}

func (a *api) setInventory(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var in inventory
	if err := decode(r, oneInventory, &in); err != nil {
		return nil, err
	}
	i, err := in.lift(r, r.Var("resource_class"))
	if err != nil {
		return nil, err
	}
	p, err := a.svc.SetInventory(ctx, r.Var("uuid"), in.Generation, i)
	if err != nil {
		return nil, err
	}
	return oneView(r, http.StatusOK, p, i), nil
}

func (a *api) setInventories(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var in struct {
		Inventories map[string]inventory `json:"inventories"`
		Generation  int64                `json:"resource_provider_generation"`
	}
	if err := decode(r, manyInventories, &in); err != nil {
		return nil, err
	}
	list, err := liftAll(r, in.Inventories)
	if err != nil {
		return nil, err
	}
	p, err := a.svc.SetInventories(ctx, r.Var("uuid"), in.Generation, list)
	if err != nil {
		return nil, err
	}
	return manyView(r, p, list), nil
}

func (a *api) deleteInventory(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.DeleteInventory(ctx, r.Var("uuid"), r.Var("resource_class")))
}

func (a *api) deleteInventories(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.DeleteInventories(ctx, r.Var("uuid")))
}
