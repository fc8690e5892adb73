package api

import (
	"context"
	"net/http"
	"time"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
	"kumoi/internal/placement"
)

// inventory is the body of one inventory; what is absent gets its default.
type inventory struct {
	Total      int64                    `json:"total"`
	Reserved   int64                    `json:"reserved"`
	MinUnit    change.Optional[int64]   `json:"min_unit"`
	MaxUnit    change.Optional[int64]   `json:"max_unit"`
	StepSize   change.Optional[int64]   `json:"step_size"`
	Ratio      change.Optional[float64] `json:"allocation_ratio"`
	Class      string                   `json:"resource_class"`
	Generation *int64                   `json:"resource_provider_generation"`
}

// inventories is the body of all that a provider has.
type inventories struct {
	Inventories map[string]inventory `json:"inventories"`
	Generation  int64                `json:"resource_provider_generation"`
}

// inventoryBody is the schema of one inventory; also are further fields.
func inventoryBody(required []string, also schema.Object) schema.Object {
	amount := func(least int) schema.Object {
		return schema.Object{"type": "integer", "minimum": least, "maximum": placement.MaxAmount}
	}
	fields := schema.Object{
		"total": amount(1), "reserved": amount(0), "min_unit": amount(1), "max_unit": amount(1), "step_size": amount(1),
		"allocation_ratio": schema.Object{"type": "number", "maximum": 3.40282e+38, "exclusiveMinimum": 0},
	}
	for name, field := range also {
		fields[name] = field
	}
	return objectSchema(append([]string{"total"}, required...), fields)
}

func inventoriesBody() schema.Object {
	return objectSchema([]string{"inventories", "resource_provider_generation"}, schema.Object{
		"inventories": mapOf(classPattern, inventoryBody(nil, nil)), "resource_provider_generation": anyInt,
	})
}

var (
	newInventory = bodySchema(func(int) schema.Object {
		return inventoryBody([]string{"resource_class"}, schema.Object{"resource_class": className, "resource_provider_generation": anyInt})
	})
	oneInventory = bodySchema(func(int) schema.Object {
		return inventoryBody([]string{"resource_provider_generation"}, schema.Object{"resource_provider_generation": anyInt})
	})
	manyInventories = bodySchema(func(int) schema.Object { return inventoriesBody() })
)

// lift fills in defaults; before version 1.26 not all may be reserved.
func (i inventory) lift(r *httpx.Request, class string) (placement.Inventory, error) {
	out := placement.Inventory{
		ProviderID: r.Var("uuid"), Class: class, Total: i.Total, Reserved: i.Reserved,
		MinUnit: i.MinUnit.Or(1), MaxUnit: i.MaxUnit.Or(placement.MaxAmount), StepSize: i.StepSize.Or(1), AllocationRatio: i.Ratio.Or(1),
	}
	if !r.AtLeast(1, 26) && i.Reserved >= i.Total {
		return out, errs.New(errs.Invalid, "Invalid inventory for '%s': the reserved value %d is greater than or equal to total %d.", class, i.Reserved, i.Total)
	}
	return out, nil
}

func (in inventories) lift(r *httpx.Request) ([]placement.Inventory, error) {
	out := []placement.Inventory{}
	for _, class := range sorted(in.Inventories) {
		i, err := in.Inventories[class].lift(r, class)
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	return out, nil
}

func viewInventory(w *rest.Writer, i *placement.Inventory) {
	w.Int("total", i.Total)
	w.Int("reserved", i.Reserved)
	w.Int("min_unit", i.MinUnit)
	w.Int("max_unit", i.MaxUnit)
	w.Int("step_size", i.StepSize)
	w.Any("allocation_ratio", i.AllocationRatio)
}

func oneView(r *httpx.Request, status int, p *placement.Provider, i *placement.Inventory, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return answer(r, status, i.UpdatedAt, func(w *rest.Writer) {
		viewInventory(w, i)
		w.Int("resource_provider_generation", p.Generation)
	}), nil
}

func manyView(r *httpx.Request, p *placement.Provider, list []*placement.Inventory, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	var newest time.Time
	for _, i := range list {
		newest = later(newest, i.UpdatedAt)
	}
	return answer(r, http.StatusOK, newest, func(w *rest.Writer) {
		w.Object("inventories", func() {
			for _, i := range list {
				w.Object(i.Class, func() { viewInventory(w, i) })
			}
		})
		w.Int("resource_provider_generation", p.Generation)
	}), nil
}

func (a *api) listInventories(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, list, err := a.svc.Inventories.List(ctx, r.Var("uuid"))
	return manyView(r, p, list, err)
}

func (a *api) showInventory(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, i, err := a.svc.Inventories.Show(ctx, r.Var("uuid"), r.Var("resource_class"))
	return oneView(r, http.StatusOK, p, i, err)
}

func (a *api) createInventory(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := rest.Body[inventory](r, newInventory)
	if err != nil {
		return nil, err
	}
	i, err := in.lift(r, in.Class)
	if err != nil {
		return nil, err
	}
	p, err := a.svc.Inventories.Create(ctx, i)
	if err != nil {
		return nil, err
	}
	resp, err := oneView(r, http.StatusCreated, p, &i, nil)
	return located(r, resp, "resource_providers", p.ID, "inventories", i.Class), err
}

func (a *api) setInventory(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := rest.Body[inventory](r, oneInventory)
	if err != nil {
		return nil, err
	}
	i, err := in.lift(r, r.Var("resource_class"))
	if err != nil {
		return nil, err
	}
	p, err := a.svc.Inventories.Update(expecting(ctx, in.Generation), i)
	return oneView(r, http.StatusOK, p, &i, err)
}

func (a *api) setInventories(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := rest.Body[inventories](r, manyInventories)
	if err != nil {
		return nil, err
	}
	list, err := in.lift(r)
	if err != nil {
		return nil, err
	}
	p, err := a.svc.Inventories.Replace(change.Expect(ctx, in.Generation), r.Var("uuid"), list)
	rows := make([]*placement.Inventory, len(list))
	for i := range list {
		rows[i] = &list[i]
	}
	return manyView(r, p, rows, err)
}

func (a *api) deleteInventory(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Inventories.Delete(ctx, r.Var("uuid"), r.Var("resource_class")))
}

func (a *api) deleteInventories(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Inventories.DeleteAll(ctx, r.Var("uuid")))
}
