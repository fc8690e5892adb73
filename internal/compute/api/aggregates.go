package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/compute/aggregate"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

// routes are /os-aggregates.
func (a *aggregates) routes() []httpx.Route {
	const p = "os_compute_api:"
	g := a.svc.Aggregates
	c := aggregateResource
	c.List, c.Show, c.Create, c.Update, c.Delete = g.List, g.Show, g.Create, g.Update, g.Delete
	action := c.Path + "/{aggregate_id}/action"
	return append(c.Routes(),
		httpx.Route{Method: "POST", Path: action, Action: "add_host", Policy: p + "os-aggregates:add_host", Handler: a.addHost},
		httpx.Route{Method: "POST", Path: action, Action: "remove_host", Policy: p + "os-aggregates:remove_host", Handler: a.removeHost},
		httpx.Route{Method: "POST", Path: action, Action: "set_metadata", Policy: p + "os-aggregates:set_metadata", Handler: a.setMetadata},
		httpx.Route{Method: "POST", Path: c.Path + "/{aggregate_id}/images", Min: micro.V(2, 81), Policy: p + "compute:aggregates:images", Handler: a.cacheImages},
	)
}

var aggregateResource = rest.Resource[aggregate.Aggregate, aggregate.NewAggregate, aggregate.Patch]{
	Path: "/v2.1/os-aggregates", Item: "aggregate_id", One: "aggregate", Many: "aggregates", Rule: familyRule("os-aggregates"),
	Query: &rest.List{Dialect: &rest.Dialect{Sorting: rest.SortNever}, Paged: never, Sort: []store.Sort{{Field: "id"}}},
	View:  viewAggregate, ReadNew: newAggregate, ReadPatch: aggregatePatch, UpdateMethod: http.MethodPut,
	Created: func(*httpx.Request) int { return http.StatusOK },
	Deleted: func(*httpx.Request) int { return http.StatusOK },
}

// never is for lists that know no pages.
func never(*httpx.Request) bool { return false }

// viewAggregate leaves out of what was made what Nova's answer has not.
func viewAggregate(_ context.Context, r *httpx.Request, _ []*aggregate.Aggregate) (func(*rest.Writer, *aggregate.Aggregate), error) {
	made := r.HTTP.Method == http.MethodPost && r.Var("aggregate_id") == ""
	return func(w *rest.Writer, g *aggregate.Aggregate) {
		w.Int("id", g.ID)
		w.Text("name", g.Name)
		if !made {
			w.Texts("hosts", g.Hosts)
			w.TextMap("metadata", g.Metadata)
		}
		w.TextOrNull("availability_zone", g.Zone())
		w.Time("created_at", g.CreatedAt, rest.Micros)
		w.Time("updated_at", g.UpdatedAt, rest.Micros)
		w.Bool("deleted", false)
		w.Null("deleted_at")
		if r.AtLeast(2, 41) {
			w.Text("uuid", g.UUID)
		}
	}, nil
}

var (
	zoneName              = object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^:]*$", "format": "name"}
	createAggregateSchema = fixed(wrapped("aggregate", strict(list{"name"}, object{"name": nameType, "availability_zone": nullable(zoneName)})))
	updateAggregateSchema = fixed(wrapped("aggregate", merged(strict(nil, object{"name": nameType, "availability_zone": nullable(zoneName)}), object{"minProperties": 1})))
)

func newAggregate(r *httpx.Request) (aggregate.NewAggregate, error) {
	b, err := rest.Body[struct{ Aggregate aggregate.Patch }](r, createAggregateSchema)
	return aggregate.NewAggregate{Name: b.Aggregate.Name.Value, Zone: b.Aggregate.Zone.Value}, err
}

func aggregatePatch(r *httpx.Request) (aggregate.Patch, error) {
	b, err := rest.Body[struct{ Aggregate aggregate.Patch }](r, updateAggregateSchema)
	return b.Aggregate, err
}

var (
	addHostSchema    = fixed(wrapped("add_host", strict(list{"host"}, object{"host": hostType})))
	removeHostSchema = fixed(wrapped("remove_host", strict(list{"host"}, object{"host": hostType})))
)

func (a *aggregates) addHost(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Add struct{ Host string } `json:"add_host"`
	}](r, addHostSchema)
	if err != nil {
		return nil, err
	}
	g, err := a.svc.Aggregates.AddHost(ctx, r.Var("aggregate_id"), b.Add.Host)
	return aggregateResource.Answer(ctx, r, http.StatusOK, g, err)
}

func (a *aggregates) removeHost(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Remove struct{ Host string } `json:"remove_host"`
	}](r, removeHostSchema)
	if err != nil {
		return nil, err
	}
	g, err := a.svc.Aggregates.RemoveHost(ctx, r.Var("aggregate_id"), b.Remove.Host)
	return aggregateResource.Answer(ctx, r, http.StatusOK, g, err)
}

var aggregateMetadataSchema = fixed(wrapped("set_metadata", strict(list{"metadata"}, object{
	"metadata": object{"type": "object", "propertyNames": metaKey, "additionalProperties": object{"type": list{"string", "null"}, "maxLength": 255}},
})))

func (a *aggregates) setMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Set struct{ Metadata map[string]*string } `json:"set_metadata"`
	}](r, aggregateMetadataSchema)
	if err != nil {
		return nil, err
	}
	g, err := a.svc.Aggregates.SetMetadata(ctx, r.Var("aggregate_id"), b.Set.Metadata)
	return aggregateResource.Answer(ctx, r, http.StatusOK, g, err)
}

var aggregateImagesSchema = fixed(strict(list{"cache"}, object{"cache": object{
	"type": "array", "minItems": 1, "items": strict(list{"id"}, object{"id": uuidType}),
}}))

func (a *aggregates) cacheImages(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct{ Cache []struct{ ID string } }](r, aggregateImagesSchema)
	if err != nil {
		return nil, err
	}
	var images []string
	for _, c := range b.Cache {
		if slices.Contains(images, c.ID) {
			return nil, bad("Duplicate images in request")
		}
		images = append(images, c.ID)
	}
	if err := a.svc.ImageCaches.OfAggregate(ctx, r.Var("aggregate_id"), images); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}
