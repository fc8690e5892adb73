package compute

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// Explanation tells in plain words what became of a server and why.
type Explanation struct {
	Server   *Server
	Status   string
	Decision []string // why this host, one sentence each
	Actions  []ExplainedAction
	Ports    []ExplainedPort
	Guest    *hostapi.ServerReport // as its host saw it last
	Fault    string
	Reason   string // of the fault, as the host said it
}

// ExplainedAction is an action with the steps it took.
type ExplainedAction struct {
	Action
	Took time.Duration
}

// ExplainedPort is a port and where it is bound.
type ExplainedPort struct {
	ID, NetworkID, MAC, Host, Status string
	Addresses                        []string
}

// Of collects what is known about how a server came to be where it is.
func (s *Explanations) Of(ctx context.Context, id string) (*Explanation, error) {
	e := &Explanation{}
	var ports []*network.Port
	err := s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, "servers:show")
		if err != nil {
			return err
		}
		e.Server, e.Status, e.Actions = srv, srv.Status(), nil
		list, err := s.journal.actionsOf(ctx, tx, id)
		if err != nil {
			return err
		}
		for i := len(list) - 1; i >= 0; i-- {
			a, err := s.journal.actionByRequest(ctx, tx, id, list[i].RequestID)
			if err != nil {
				return err
			}
			took := time.Duration(0)
			if !a.EndedAt.IsZero() {
				took = a.EndedAt.Sub(a.StartedAt)
			}
			e.Actions = append(e.Actions, ExplainedAction{Action: *a, Took: took})
		}
		if ports, err = s.network.PortsOfServerTx(ctx, tx, id); err != nil {
			return err
		}
		e.Guest, err = s.lastReport(ctx, tx, srv)
		return err
	})
	if err != nil {
		return nil, err
	}
	if now := s.askHost(ctx, e.Server); now != nil {
		e.Guest = now
	}
	for _, p := range ports {
		port := ExplainedPort{ID: p.ID, NetworkID: p.NetworkID, MAC: p.MAC, Host: p.Host, Status: p.Status}
		for _, ip := range p.FixedIPs {
			port.Addresses = append(port.Addresses, ip.IP.String())
		}
		e.Ports = append(e.Ports, port)
	}
	if f := e.Server.Fault; f != nil {
		e.Fault, e.Reason = f.Message, f.Details
	}
	e.Decision, err = s.decisions(ctx, id)
	return e, err
}

func (s *Explanations) lastReport(ctx context.Context, tx *store.Tx, srv *Server) (*hostapi.ServerReport, error) {
	if srv.Host == "" {
		return nil, nil
	}
	g, err := s.guests.Get(ctx, tx, srv.Host)
	if errs.Is(err, errs.NotFound) {
		return nil, nil // a host that was forgotten has nothing to say
	}
	if err != nil {
		return nil, err
	}
	for _, r := range g.Reports {
		if r.ServerID == srv.ID {
			return &r, nil
		}
	}
	return nil, nil
}

// askHost has the server's host tell what it sees now, and what its last work on
// the server took; nil if it does not answer soon.
func (s *Explanations) askHost(ctx context.Context, srv *Server) *hostapi.ServerReport {
	if srv.Host == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	report, err := s.hosts.Report(ctx, srv.Host)
	if err != nil {
		return nil
	}
	for _, r := range report.Servers {
		if r.ServerID == srv.ID {
			return &r
		}
	}
	return nil
}

// decisions reads from the sagas' logs which hosts were chosen, and why.
func (s *Explanations) decisions(ctx context.Context, id string) ([]string, error) {
	list, err := s.sagas.List(ctx, saga.Filter{Resource: id})
	if err != nil {
		return nil, err
	}
	var out []string
	for i := len(list) - 1; i >= 0; i-- {
		d, err := s.sagas.Show(ctx, list[i].ID)
		if err != nil {
			return nil, err
		}
		for _, ev := range d.Events {
			if ev.Step != "schedule" || ev.Data == "" {
				continue
			}
			var j placing
			if json.Unmarshal([]byte(ev.Data), &j) == nil && j.Decision != nil {
				out = append(out, fmt.Sprintf("%s: host %s was chosen for %q. %s", ev.Time.Format(time.RFC3339), j.Decision.Host, j.Name, j.Decision.Why))
				for _, v := range j.Decision.Verdicts {
					verb := "refused"
					if v.Fits {
						verb = "fits"
					}
					out = append(out, fmt.Sprintf("  host %s %s (weight %.2f): %s", v.Host, verb, v.Weight, v.Why))
				}
			} else if ev.Err != nil {
				out = append(out, fmt.Sprintf("%s: no host: %s", ev.Time.Format(time.RFC3339), ev.Err.Msg))
			}
		}
	}
	return out, nil
}
