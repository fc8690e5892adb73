package network_test

import (
	"context"
	"testing"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

// What belongs to one project does not exist for another, whatever it tries.
func TestProjectsDoNotSeeEachOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := newCloud(t, db)
		mine, other := as(t, "p"), as(t, "q")
		r := c.routed(mine)
		p := c.port(mine, r.inside.ID)
		gs, err := c.SecurityGroups.List(mine, store.Query{})
		if err != nil || len(gs.Rows) != 1 {
			t.Fatal(gs, err)
		}
		group := gs.Rows[0]
		f, err := c.FloatingIPs.Create(mine, change.New(func(f *network.NewFloatingIP) { f.NetworkID = r.outside.ID }))
		if err != nil {
			t.Fatal(err)
		}
		for name, try := range map[string]func(ctx context.Context) error{
			"show network": func(ctx context.Context) error { _, err := c.Networks.Show(ctx, r.inside.ID); return err },
			"show subnet":  func(ctx context.Context) error { _, err := c.Subnets.Show(ctx, r.subnet.ID); return err },
			"show port":    func(ctx context.Context) error { _, err := c.Ports.Show(ctx, p.ID); return err },
			"show router":  func(ctx context.Context) error { _, err := c.Routers.Show(ctx, r.router.ID); return err },
			"show group":   func(ctx context.Context) error { _, err := c.SecurityGroups.Show(ctx, group.ID); return err },
			"show rule": func(ctx context.Context) error {
				_, err := c.SecurityGroupRules.Show(ctx, group.Rules[0].ID)
				return err
			},
			"show address": func(ctx context.Context) error { _, err := c.FloatingIPs.Show(ctx, f.ID); return err },
			"port on network": func(ctx context.Context) error {
				_, err := c.Ports.Create(ctx, change.New(func(p *network.NewPort) { p.NetworkID = r.inside.ID }))
				return err
			},
			"delete network": func(ctx context.Context) error { return c.Networks.Delete(ctx, r.inside.ID) },
			"delete port":    func(ctx context.Context) error { return c.Ports.Delete(ctx, p.ID) },
			"delete group":   func(ctx context.Context) error { return c.SecurityGroups.Delete(ctx, group.ID) },
			"use group": func(ctx context.Context) error {
				_, err := c.SecurityGroupRules.Create(ctx, change.New(func(r *network.SecurityGroupRule) { r.GroupID, r.Direction = group.ID, network.Ingress }))
				return err
			},
			"connect": func(ctx context.Context) error {
				_, err := c.Routers.AddInterface(ctx, r.router.ID, r.subnet.ID, "")
				return err
			},
		} {
			if err := try(other); !errs.Is(err, errs.NotFound) {
				t.Errorf("%s by a stranger: %v", name, err)
			}
		}
		ns, err := c.Networks.List(other, store.Query{})
		if err != nil || len(ns.Rows) != 1 || ns.Rows[0].ID != r.outside.ID {
			t.Errorf("a stranger lists %v %v", ns, err)
		}
		// A reader of the project sees, but does not touch.
		reader := as(t, "p", "reader")
		if _, err := c.Networks.Show(reader, r.inside.ID); err != nil {
			t.Error(err)
		}
		err = c.Networks.Delete(reader, r.inside.ID)
		if !errs.Is(err, errs.Forbidden) {
			t.Errorf("a reader deletes: %v", err)
		}
		// Provider attributes are the administrator's.
		_, err = c.Networks.Create(mine, change.Patch[network.Network]{Named: []string{"provider:network_type"}, Apply: func(n *network.Network) error {
			n.Type, n.Physical = network.TypeFlat, "outside"
			return nil
		}})
		if !errs.Is(err, errs.Forbidden) {
			t.Errorf("a member makes a provider network: %v", err)
		}
	})
}

// An RBAC policy lets one project in, and cannot be taken back while it is used.
func TestSharingWithOneProject(t *testing.T) {
	c := newCloud(t, storetest.SQLite(t))
	owner, guest, stranger := as(t, "p"), as(t, "q"), as(t, "r")
	n := c.network(owner, network.Network{})
	c.subnet(owner, n.ID, "10.0.0.0/24")
	grant, err := c.RBACPolicies.Create(owner, change.New(func(r *network.RBACPolicy) {
		r.ObjectType, r.ObjectID, r.Action, r.TargetProject = "network", n.ID, network.ActionShared, "q"
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Networks.Show(guest, n.ID); err != nil || !got.Shared {
		t.Fatalf("the guest sees %+v, %v", got, err)
	}
	if _, err := c.Networks.Show(stranger, n.ID); !errs.Is(err, errs.NotFound) {
		t.Fatalf("the stranger: %v", err)
	}
	p := c.port(guest, n.ID)
	revoke := func() error { return c.RBACPolicies.Delete(owner, grant.ID) }
	if err := revoke(); err == nil || errs.As(err).Code != "RbacPolicyInUse" {
		t.Fatalf("taken back while in use: %v", err)
	}
	if err := c.Ports.Delete(guest, p.ID); err != nil {
		t.Fatal(err)
	}
	if err := revoke(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Networks.Show(guest, n.ID); !errs.Is(err, errs.NotFound) {
		t.Errorf("after the end of sharing: %v", err)
	}
}

// Quotas are counted in the transaction that takes from them.
func TestQuota(t *testing.T) {
	c, ctx := newCloud(t, storetest.SQLite(t)), as(t, "p")
	if err := c.Quotas.Set(admin(t), "p", map[string]int64{"network": 1}, false); err != nil {
		t.Fatal(err)
	}
	c.network(ctx, network.Network{})
	_, err := c.Networks.Create(ctx, change.Patch[network.Network]{})
	if !errs.Is(err, errs.OverQuota) {
		t.Errorf("over quota: %v", err)
	}
	c.network(as(t, "q"), network.Network{}) // another's limit
}
