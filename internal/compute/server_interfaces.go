package compute

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// List lists a server's ports.
func (s *Interfaces) List(ctx context.Context, id, rule string) ([]*network.Port, error) {
	var ports []*network.Port
	err := s.read(ctx, func(tx *store.Tx) error {
		if _, err := s.load(ctx, tx, id, rule); err != nil {
			return err
		}
		var err error
		ports, err = s.network.PortsOfServerTx(ctx, tx, id)
		return err
	})
	return ports, err
}

// Attach gives a server one more port, and returns when it is plugged.
func (s *Interfaces) Attach(ctx context.Context, id string, want network.RequestedNetwork) (*network.Port, error) {
	var port *network.Port
	var at saga.Saga
	err := s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("attach_interface"))
		if err != nil {
			return err
		}
		if err := s.permit(ctx, srv, "attach_interface"); err != nil {
			return err
		}
		req := network.AllocateRequest{
			ServerID: srv.ID, ProjectID: srv.ProjectID, AvailabilityZone: srv.AvailabilityZone, Hostname: srv.Hostname,
		}
		if want != (network.RequestedNetwork{}) {
			req.Networks = []network.RequestedNetwork{want}
		}
		if port, err = s.network.AttachPortTx(ctx, tx, req); err != nil {
			return err
		}
		srv.TaskState = TaskUpdatingNICs
		srv.Generation++
		at, err = s.start(ctx, tx, srv, "attach_interface", port.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	late, err := s.awaitPlugging(ctx, at, "The interfaces of instance "+at.Resource+" stay as they were")
	if late { // Nova's API gives up on its host, too, and does not say 200
		err = errs.New(errs.Unavailable, "The host of instance %s has not plugged port %s within %s. It goes on: list the server's interfaces to see.", id, port.ID, s.cfg.InterfaceWait)
	}
	return port, err
}

// Detach takes a port off a server, and returns when it is unplugged.
func (s *Interfaces) Detach(ctx context.Context, id, portID string) error {
	var at saga.Saga
	err := s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("detach_interface"))
		if err != nil {
			return err
		}
		if err := s.permit(ctx, srv, "detach_interface"); err != nil {
			return err
		}
		ports, err := s.network.PortsOfServerTx(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, p := range ports {
			if p.ID != portID {
				continue
			}
			srv.TaskState = TaskUpdatingNICs
			srv.Generation++
			at, err = s.start(ctx, tx, srv, "detach_interface", portID)
			return err
		}
		return errs.New(errs.NotFound, "Port id %s could not be found.", portID)
	})
	if err != nil {
		return err
	}
	_, err = s.awaitPlugging(ctx, at, "The interfaces of instance "+at.Resource+" stay as they were") // the answer says no more than accepted
	return err
}

// start begins interfaceSaga on the server and says which it is.
func (s *Interfaces) start(ctx context.Context, tx *store.Tx, srv *Server, action, portID string) (saga.Saga, error) {
	if err := s.journal.begin(ctx, tx, srv, kindInterface, action, &plugging{Port: portID}); err != nil {
		return saga.Saga{}, err
	}
	at, _, err := s.sagas.Active(ctx, tx, srv.ID)
	return at, err
}

// awaitPlugging waits for the saga that plugs a port or a volume. In Nova these
// requests set no task state, and clients send the next one at once. What is
// late goes on without the request. undone says in words what a saga that was
// undone leaves.
func (s *Interfaces) awaitPlugging(ctx context.Context, at saga.Saga, undone string) (late bool, err error) {
	patience, cancel := context.WithTimeout(ctx, s.cfg.InterfaceWait)
	defer cancel()
	end, err := s.sagas.Wait(patience, at.ID)
	switch {
	case patience.Err() != nil:
		return ctx.Err() == nil, ctx.Err()
	case err != nil:
		return false, err
	case end.State == saga.Undone && end.Err != nil:
		return false, errs.New(errs.Conflict, "%s: %s", undone, end.Err.Error())
	}
	return false, nil
}

// interfaceSaga plugs a new port, or unplugs and gives back one.
func (s *Interfaces) interfaceSaga() saga.Definition[plugging] {
	attach := func(j *plugging) bool { return j.Name == "attach_interface" }
	detach := func(j *plugging) bool { return !attach(j) }
	drop := func(ctx context.Context, j *plugging) error {
		return s.write(ctx, func(tx *store.Tx) error {
			err := s.network.DetachPortTx(ctx, tx, j.Server, j.Port)
			if errs.Is(err, errs.NotFound) {
				return nil
			}
			return err
		})
	}
	return saga.Definition[plugging]{
		Kind: kindInterface, Version: 1,
		Steps: []saga.Step[plugging]{
			{Name: "bind", Skip: detach, Do: each[plugging](s.machines.bindPorts), Undo: drop},
			{Name: "drop", Skip: attach, Do: drop},
			{Name: "ensure", Do: func(ctx context.Context, j *plugging) error {
				if j.Host == "" {
					return nil
				}
				return step(s.core, "compute_"+j.Name, s.machines.spawn)(ctx, &j.job)
			}},
		},
		Done: finish(s.core, func(context.Context, *store.Tx, *plugging, *Server) error { return nil }),
		Failed: fail(s.core, func(_ context.Context, _ *store.Tx, _ *plugging, srv *Server, _ *errs.Error) error {
			srv.Generation++ // the repair ensures the server as it is now
			return nil
		}),
	}
}
