package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"kumoi/internal/hoststack"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/errs"
)

// joinFile is all that another host needs to become part of the cloud, as
// "kumoi admin host add" makes it: the way to the bus and the way to OVN's
// southbound database, each with a key that is this host's alone.
type joinFile struct {
	Bus        json.RawMessage     `json:"bus"`
	Southbound *hoststack.SBAccess `json:"southbound,omitempty"`
}

func readJoinFile(path string) (*joinFile, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "join: the credentials file cannot be read; make it on the control plane with: kumoi admin host add NAME > FILE")
	}
	var j joinFile
	if err := json.Unmarshal(raw, &j); err != nil || len(j.Bus) == 0 {
		return nil, errs.New(errs.Invalid, "join: %s is no credentials file; make one on the control plane with: kumoi admin host add NAME > FILE", path)
	}
	return &j, nil
}

// checkJoin makes sure that the credentials are this host's.
func checkJoin(cfg *Config) error {
	j, err := readJoinFile(cfg.Join)
	if err != nil {
		return err
	}
	name, err := bus.CredentialsHost(j.Bus)
	if err != nil {
		return err
	}
	if name != cfg.Host {
		return errs.New(errs.Invalid, "join: %s holds the credentials of host %s, and this is host %s: start the agent with --host %s, or make credentials of its own with: kumoi admin host add %s",
			cfg.Join, name, cfg.Host, name, cfg.Host)
	}
	return nil
}

// addHost makes the credentials of a host; those it had end.
func (c *Cloud) addHost(ctx context.Context, k *control, _ *http.Request, in struct{ Name string }) (any, error) {
	if k.bus.URL() == "" {
		return nil, errs.New(errs.Conflict, "No other host can reach this control plane: start it with --bus-listen ADDRESS:PORT and --ovn-listen ADDRESS:PORT.")
	}
	busCreds, err := k.bus.IssueHost(in.Name)
	if err != nil {
		return nil, err
	}
	j := joinFile{Bus: busCreds}
	if c.stack != nil {
		if j.Southbound, err = c.stack.GrantSB(ctx, in.Name); err != nil {
			return nil, err
		}
	}
	if j.Southbound != nil {
		j.Southbound.Remote = reachable(j.Southbound.Remote, k.bus.URL())
	}
	raw, err := json.MarshalIndent(j, "", "  ")
	return map[string][]byte{"Credentials": append(raw, '\n')}, err
}

// removeHost ends a host's access to everything.
func (c *Cloud) removeHost(ctx context.Context, k *control, r *http.Request, _ nothing) (any, error) {
	name := r.PathValue("name")
	if err := k.bus.RemoveHost(name); err != nil {
		return nil, err
	}
	if c.stack != nil {
		if err := c.stack.RevokeSB(ctx, name); err != nil {
			return nil, fmt.Errorf("%s has lost the bus, but not yet the network: %w", name, err)
		}
	}
	return nothing{}, nil
}

// reachable gives a database that listens on every address the name by which
// hosts reach the bus.
func reachable(remote, busURL string) string {
	scheme, addr, _ := strings.Cut(remote, ":")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return remote
	}
	if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsUnspecified()) {
		return remote
	}
	u, err := url.Parse(busURL)
	if err != nil {
		return remote
	}
	return scheme + ":" + net.JoinHostPort(u.Hostname(), port)
}

// HostRow is a host as the command line shows it.
type HostRow struct {
	Name     string
	State    string // up, down, or absent: never heard of
	Enabled  bool
	Remote   bool // has credentials of its own
	LastSeen time.Time
}

// listHosts are those that have credentials and those that were heard of.
func listHosts(ctx context.Context, k *control, _ *http.Request, _ nothing) (any, error) {
	known, err := k.compute.Hosts.List(ctx, "os-hypervisors:list")
	if err != nil {
		return nil, err
	}
	remote := k.bus.Hosts()
	out := []HostRow{}
	for _, h := range known {
		row := HostRow{Name: h.Name, State: "down", Enabled: !h.Disabled, Remote: slices.Contains(remote, h.Name), LastSeen: h.SeenAt}
		if h.Up {
			row.State = "up"
		}
		out = append(out, row)
	}
	for _, name := range remote {
		if !slices.ContainsFunc(out, func(r HostRow) bool { return r.Name == name }) {
			out = append(out, HostRow{Name: name, State: "absent", Enabled: true, Remote: true})
		}
	}
	slices.SortFunc(out, func(a, b HostRow) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
