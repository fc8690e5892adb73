package vif

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
)

// OVSConfig says which switch this is.
type OVSConfig struct {
	Remote string   // of the switch's database: "unix:/run/openvswitch/db.sock"
	Env    []string // for ovs-vsctl, on top of the process's own
	Bridge string   // default br-int
	// Userspace says that packets are moved by the netdev datapath, which
	// does not fill in checksums that an interface has left out.
	Userspace bool
	// Dir keeps the names of the namespaces that this host has made.
	Dir string
	Log *slog.Logger
}

// OVS plugs into Open vSwitch.
type OVS struct {
	cfg OVSConfig
	log *slog.Logger
	mu  sync.Mutex // one change of namespaces at a time
}

var _ Plugger = (*OVS)(nil)

// NewOVS makes a plugger for the switch.
func NewOVS(cfg OVSConfig) (*OVS, error) {
	if cfg.Bridge == "" {
		cfg.Bridge = "br-int"
	}
	if err := os.MkdirAll(cfg.Dir, 0o711); err != nil {
		return nil, fmt.Errorf("plugger: %w", err)
	}
	return &OVS{cfg: cfg, log: logx.Or(cfg.Log).With("component", "vif")}, nil
}

// NIC implements Plugger.
func (o *OVS) NIC(nic hostapi.NIC) hypervisor.NIC {
	return hypervisor.NIC{
		PortID: nic.PortID, MAC: nic.MAC, MTU: nic.MTU, Model: nic.Model,
		Bridge: o.cfg.Bridge, Target: tapName(nic.PortID), NoOffload: o.cfg.Userspace,
	}
}

// Unplug implements Plugger.
func (o *OVS) Unplug(ctx context.Context, portIDs ...string) error {
	var args []string
	for _, id := range portIDs {
		args = append(args, "--", "--if-exists", "del-port", o.cfg.Bridge, tapName(id))
	}
	if len(args) == 0 {
		return nil
	}
	return o.vsctl(ctx, append([]string{"--no-wait"}, args...)...)
}

func (o *OVS) vsctl(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	args = append([]string{"--db=" + o.cfg.Remote, "--timeout=15"}, args...)
	cmd := exec.CommandContext(ctx, "ovs-vsctl", args...)
	cmd.Env = append(os.Environ(), o.cfg.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return errs.Wrap(errs.Unavailable, fmt.Errorf("ovs-vsctl: %w: %s", err, strings.TrimSpace(stderr.String())), "Open vSwitch does not do what it should.")
	}
	return nil
}

// record is what is kept about a namespace, so that it is found again, and no
// other host's on this machine is ever taken for ours.
type record struct {
	NetworkID string `json:"network_id"`
	Namespace string `json:"namespace"`
	PortID    string `json:"port_id"`
}

func (o *OVS) recordPath(networkID string) string {
	return filepath.Join(o.cfg.Dir, filepath.Base(networkID)+".json")
}

// record finds the network's record, or makes one with a name that nobody has.
func (o *OVS) record(network Network) (record, error) {
	r, err := o.readRecord(network.ID)
	if err == nil && r.PortID == network.Port.PortID {
		return r, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.log.Warn("record of a namespace cannot be read", "network", network.ID, "error", err)
	}
	if r.Namespace == "" {
		base := "kumoi-" + network.ID[:min(13, len(network.ID))]
		r.Namespace = base
		for n := 2; namespaceExists(r.Namespace); n++ {
			r.Namespace = fmt.Sprintf("%s-%d", base, n)
		}
	}
	r.NetworkID, r.PortID = network.ID, network.Port.PortID
	data, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	return r, os.WriteFile(o.recordPath(network.ID), data, 0o600)
}

func (o *OVS) readRecord(networkID string) (record, error) {
	var r record
	data, err := os.ReadFile(o.recordPath(networkID))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(data, &r)
}

// Networks implements Plugger.
func (o *OVS) Networks(context.Context) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(o.cfg.Dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range files {
		out = append(out, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	return out, nil
}

// Serve implements Plugger.
func (o *OVS) Serve(ctx context.Context, network Network) ([]net.Listener, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, err := o.record(network)
	if err != nil {
		return nil, fmt.Errorf("metadata of network %s: %w", network.ID, err)
	}
	link := metadataLink(network.ID)
	if err := ensureNamespace(r.Namespace, link, network, o.cfg.Userspace); err != nil {
		return nil, fmt.Errorf("metadata of network %s: %w", network.ID, err)
	}
	if err := o.vsctl(ctx, "--no-wait", "--may-exist", "add-port", o.cfg.Bridge, link, "--", "set", "Interface", link,
		"external_ids:iface-id="+network.Port.PortID, "external_ids:kumoi-network="+network.ID); err != nil {
		return nil, err
	}
	listeners, err := listenIn(ctx, r.Namespace)
	if err != nil {
		return nil, fmt.Errorf("metadata of network %s: %w", network.ID, err)
	}
	return listeners, nil
}

// Remove implements Plugger.
func (o *OVS) Remove(ctx context.Context, networkID string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, err := o.readRecord(networkID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove namespace: %w", err)
	}
	if err := o.vsctl(ctx, "--no-wait", "--if-exists", "del-port", o.cfg.Bridge, metadataLink(networkID)); err != nil {
		return err
	}
	if err := removeNamespace(r.Namespace, metadataLink(networkID)); err != nil {
		return fmt.Errorf("remove namespace: %w", err)
	}
	return os.Remove(o.recordPath(networkID))
}
