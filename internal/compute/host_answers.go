package compute

import (
	"context"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// specs tells a host all the servers it should have.
func (s *answers) specs(ctx context.Context, host string, _ *bus.Msg) (any, error) {
	var servers []*Server
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		servers, err = s.Reports.onHost(ctx, tx, host)
		return err
	})
	if err != nil {
		return nil, err
	}
	specs := []*hostapi.ServerSpec{}
	for _, srv := range servers {
		if !settled(srv) {
			continue
		}
		spec, _, err := s.machines.spec(ctx, srv.ID)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

func (s *answers) readImage(ctx context.Context, host string, m *bus.Msg) (any, error) {
	var c hostapi.ImageChunk
	if err := m.Decode(&c); err != nil {
		return nil, err
	}
	if c.Length <= 0 || c.Length > hostapi.MaxChunk || c.Offset < 0 {
		return nil, errs.New(errs.Invalid, "A chunk of an image has 1 to %d bytes.", hostapi.MaxChunk)
	}
	if err := s.mayRead(ctx, host, c.ImageID); err != nil {
		return nil, err
	}
	return s.imageData.ReadImage(ctx, c.ImageID, c.Offset, c.Length)
}

func (s *answers) writeImage(ctx context.Context, host string, m *bus.Msg) (any, error) {
	var w hostapi.ImageWrite
	if err := m.Decode(&w); err != nil {
		return nil, err
	}
	if err := s.mayWrite(ctx, host, w.ImageID); err != nil {
		return nil, err
	}
	return nil, s.imageData.WriteImage(ctx, w.ImageID, w.Offset, w.Data, w.Done, w.Abort)
}
