package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// NewRouter is what a request for a router says, or for a change of one.
type NewRouter struct {
	Router
	WantGateway *GatewayRequest // with GatewayGiven: nil takes it away
	// GatewayGiven tells whether the request speaks of the gateway at all.
	GatewayGiven bool
}

// Routers are the use cases of routers.
type Routers struct {
	family[Router, *Router]
}

func newRouters(s *Service, t Tables) *Routers {
	return &Routers{family[Router, *Router]{s: s, table: t.Routers, name: "router", code: "RouterNotFound", say: "Router %s could not be found"}}
}

// Create makes a router.
func (f *Routers) Create(ctx context.Context, p change.Patch[NewRouter]) (*Router, error) {
	return createOne(ctx, f.s, p, f.CreateTx)
}

// CreateMany makes all or none.
func (f *Routers) CreateMany(ctx context.Context, many []change.Patch[NewRouter]) ([]*Router, error) {
	return createAll(ctx, f.s, many, f.CreateTx)
}

// CreateTx is Create inside the caller's transaction.
func (f *Routers) CreateTx(ctx context.Context, tx *store.Tx, p change.Patch[NewRouter]) (*Router, error) {
	req := &NewRouter{Router: Router{AdminStateUp: true}}
	if err := p.To(req); err != nil {
		return nil, err
	}
	if err := f.begin(ctx, &req.Router, p.Named); err != nil {
		return nil, err
	}
	return &req.Router, f.add(ctx, tx, &req.Router, req.WantGateway)
}

func (f *Routers) add(ctx context.Context, tx *store.Tx, r *Router, gateway *GatewayRequest) error {
	if err := f.s.Quotas.count(ctx, tx, r.ProjectID, "router", 1); err != nil {
		return err
	}
	if err := f.s.Agents.checkHints(ctx, tx, r.AZHints); err != nil {
		return err
	}
	r.Status = StatusActive
	if err := f.table.Insert(ctx, tx, r); err != nil {
		return err
	}
	if gateway != nil && gateway.NetworkID != "" {
		if err := f.setGateway(ctx, tx, r, gateway); err != nil {
			return err
		}
		if err := f.table.Update(ctx, tx, r); err != nil {
			return err
		}
	}
	f.s.projector.touchRouter(tx, r.ID)
	return nil
}

// Update changes a router.
func (f *Routers) Update(ctx context.Context, id string, p change.Patch[NewRouter]) (*Router, error) {
	return changeOne(ctx, f.s, func(tx *store.Tx) (*Router, error) {
		old, err := f.open(ctx, tx, "update", id, p.Named)
		if err != nil {
			return nil, err
		}
		req := &NewRouter{Router: *old}
		if err := p.To(req); err != nil {
			return nil, err
		}
		if req.GatewayGiven {
			want := req.WantGateway
			if want == nil {
				want = &GatewayRequest{}
			}
			if err := f.setGateway(ctx, tx, &req.Router, want); err != nil {
				return nil, err
			}
		}
		if !slices.Equal(old.Routes, req.Routes) {
			if err := f.checkRoutes(ctx, tx, &req.Router); err != nil {
				return nil, err
			}
		}
		f.s.projector.touchRouter(tx, id)
		return &req.Router, f.save(ctx, tx, &req.Router)
	})
}

// Delete deletes a router without interfaces.
func (f *Routers) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error { return f.DeleteTx(ctx, tx, id) })
}

// DeleteTx is Delete inside the caller's transaction.
func (f *Routers) DeleteTx(ctx context.Context, tx *store.Tx, id string) error {
	s := f.s
	r, err := f.open(ctx, tx, "delete", id, nil)
	if err != nil {
		return err
	}
	ps, err := s.Routers.ports(ctx, tx, id)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(ps, func(p *Port) bool { return p.HeldAs != OwnerRouterGateway }) {
		return fault(errs.Conflict, "RouterInUse", "Router %s still has ports", id)
	}
	if err := s.Routers.noFloatingIPs(ctx, tx, r); err != nil {
		return err
	}
	if err := s.Routers.table.Delete(ctx, tx, id); err != nil {
		return err
	}
	for _, p := range ps {
		if err := s.Ports.remove(ctx, tx, p); err != nil {
			return err
		}
	}
	s.projector.touchRouter(tx, id)
	return nil
}

// routerOwners are how routers hold ports.
var routerOwners = []string{OwnerRouterInterface, OwnerRouterGateway}

func (f *Routers) ports(ctx context.Context, tx *store.Tx, routerID string) ([]*Port, error) {
	return f.s.Ports.table.All(ctx, tx, store.Eq("held_by", routerID), store.In("held_as", routerOwners))
}

// interfaceSubnets are the subnets that the router is in, the gateway's excepted.
func (f *Routers) interfaceSubnets(ctx context.Context, tx *store.Tx, routerID string) ([]*Subnet, error) {
	ps, err := f.s.Ports.table.All(ctx, tx, store.Eq("held_by", routerID), store.Eq("held_as", OwnerRouterInterface))
	if err != nil {
		return nil, err
	}
	var in []string
	for _, p := range ps {
		in = append(in, subnetIDs(p)...)
	}
	return f.s.Subnets.table.All(ctx, tx, store.In("id", in))
}

func overlapFault(a, b *Subnet) error {
	return fault(errs.Invalid, "BadRequest", "Bad router request: Cidr %s of subnet %s overlaps with cidr %s of subnet %s.", a.CIDR, a.ID, b.CIDR, b.ID)
}
