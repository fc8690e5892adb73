package compute

import (
	"context"
	"errors"

	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
	"kumoi/internal/volume"
)

// applySaga tells a server's host what its guest may read about itself now.
// It is no action of the history, and it does not hold up any: a change that
// comes while another saga runs is carried by the repair.
func (s *refresh) applySaga() saga.Definition[job] {
	return saga.Definition[job]{
		Kind: kindApply, Version: 1,
		Steps: []saga.Step[job]{{Name: "ensure", Do: s.machines.spawn}},
	}
}

// apply begins the applying of a changed server, if it has a guest. The caller
// has raised the generation and saves the server.
func (s *refresh) apply(ctx context.Context, tx *store.Tx, srv *Server) error {
	if srv.Host == "" || !settled(srv) || srv.TaskState != TaskNone {
		return nil
	}
	_, busy, err := s.sagas.Active(ctx, tx, srv.ID+"/apply")
	if err != nil || busy {
		tx.AfterCommit(func() { s.tasks.Wake(repairTaskName) })
		return err
	}
	_, err = s.sagas.Start(ctx, tx, kindApply, srv.ID+"/apply", &job{Server: srv.ID, Host: srv.Host})
	return err
}

// follow has hosts apply what the network and the volume service change about their servers.
func (s *refresh) follow(l *event.Log) {
	if l == nil {
		return
	}
	for name, kind := range map[string]string{"compute": network.ServerChanged, "compute.volumes": volume.ServerChanged} {
		l.Subscribe(event.Subscriber{
			Name: name, Filter: event.Filter{Type: kind},
			Handle: func(ctx context.Context, e event.Event) error { return s.server(ctx, e.Resource) },
			Lost:   s.all,
		})
	}
}

// all refreshes every server that has a guest.
func (s *refresh) all(ctx context.Context) error {
	var all []*Server
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		all, err = s.shownServers.All(ctx, tx, store.Eq("deleted", false), store.Ne("host", ""))
		return err
	})
	for _, srv := range all {
		if err == nil {
			err = s.server(ctx, srv.ID)
		}
	}
	return err
}

// server raises a server's generation and has its host apply what it is now:
// the network, or the volume service, has changed something about it.
func (s *refresh) server(ctx context.Context, id string) error {
	return s.write(ctx, func(tx *store.Tx) error { return s.serverTx(ctx, tx, id) })
}

// serverTx is Refresh inside the caller's transaction; a server that is gone
// has nothing to refresh.
func (s *refresh) serverTx(ctx context.Context, tx *store.Tx, id string) error {
	srv, err := s.servers.Get(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) || err == nil && srv.Deleted {
		return nil
	}
	if err != nil {
		return err
	}
	srv.Generation++
	if err := s.apply(ctx, tx, srv); err != nil {
		return err
	}
	return s.save(ctx, tx, srv)
}
