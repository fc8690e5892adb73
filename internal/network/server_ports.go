package network

import (
	"cmp"
	"context"
	"slices"

	"kumoi/internal/kernel/store"
)

// DetachPortTx gives back one port of the server: deletes it if it was made
// for the server, else frees it.
func (f *Servers) DetachPortTx(ctx context.Context, tx *store.Tx, serverID, portID string) error {
	p, err := f.s.Ports.table.Get(ctx, tx, portID)
	if isNotFound(err) || err == nil && p.Server() != serverID {
		return f.s.Ports.notFound(portID)
	}
	if err != nil {
		return err
	}
	return f.giveBack(ctx, tx, p)
}

func (f *Servers) giveBack(ctx context.Context, tx *store.Tx, p *Port) error {
	if p.MadeFor == p.HeldBy {
		return f.s.Ports.remove(ctx, tx, p)
	}
	p.attach("", "", "")
	p.Host, p.Tag, p.Attached, p.Status = "", "", 0, StatusDown
	f.s.projector.touchPort(tx, p)
	return f.s.Ports.save(ctx, tx, p)
}

// ReleasePortsTx gives back all ports of the server; repeating it is harmless.
func (f *Servers) ReleasePortsTx(ctx context.Context, tx *store.Tx, serverID string) error {
	ps, err := f.PortsOfServerTx(ctx, tx, serverID)
	if err != nil {
		return err
	}
	for _, p := range ps {
		if err := f.giveBack(ctx, tx, p); err != nil {
			return err
		}
	}
	return nil
}

// ReleasePorts is ReleasePortsTx in a transaction of its own.
func (f *Servers) ReleasePorts(ctx context.Context, serverID string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error { return f.ReleasePortsTx(ctx, tx, serverID) })
}

// BindPorts says on which host the server's ports will be plugged; the ports
// are in the fabric when it returns. Repeating it is harmless.
func (f *Servers) BindPorts(ctx context.Context, serverID, host string) error {
	return f.bind(ctx, serverID, host)
}

// UnbindPorts forgets the host of the server's ports.
func (f *Servers) UnbindPorts(ctx context.Context, serverID string) error {
	return f.bind(ctx, serverID, "")
}

func (f *Servers) bind(ctx context.Context, serverID, host string) error {
	err := f.s.db.Write(ctx, func(tx *store.Tx) error { return f.BindPortsTx(ctx, tx, serverID, host) })
	if err != nil {
		return err
	}
	return f.s.Sync(ctx)
}

// BindPortsTx is BindPorts inside the caller's transaction; the fabric follows
// after the commit, and Sync waits for it.
func (f *Servers) BindPortsTx(ctx context.Context, tx *store.Tx, serverID, host string) error {
	ps, err := f.PortsOfServerTx(ctx, tx, serverID)
	if err != nil {
		return err
	}
	for _, p := range ps {
		f.s.projector.touchPort(tx, p)
		if p.Host == host {
			continue
		}
		p.Host, p.Status = host, StatusDown
		if err := f.s.Ports.save(ctx, tx, p); err != nil {
			return err
		}
	}
	return nil
}

// PortsOfServer returns the server's ports in the order they were attached.
func (f *Servers) PortsOfServer(ctx context.Context, serverID string) ([]*Port, error) {
	var out []*Port
	err := f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = f.PortsOfServerTx(ctx, tx, serverID)
		return err
	})
	return out, err
}

// PortsOfServerTx is PortsOfServer inside the caller's transaction.
func (f *Servers) PortsOfServerTx(ctx context.Context, tx *store.Tx, serverID string) ([]*Port, error) {
	ps, err := f.portsOfServers(ctx, tx, []string{serverID})
	return ps[serverID], err
}

func (f *Servers) portsOfServers(ctx context.Context, tx *store.Tx, serverIDs []string) (map[string][]*Port, error) {
	ps, err := f.s.Ports.table.All(ctx, tx, store.In("held_by", serverIDs))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(ps, func(a, b *Port) int {
		if a.Attached != b.Attached {
			return cmp.Compare(a.Attached, b.Attached)
		}
		return compareText(a.ID, b.ID)
	})
	out := map[string][]*Port{}
	for _, p := range ps {
		if server := p.Server(); server != "" {
			out[server] = append(out[server], p)
		}
	}
	return out, nil
}
