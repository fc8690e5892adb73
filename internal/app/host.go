package app

import (
	"context"
	"fmt"

	"kumoi/internal/agent"
	"kumoi/internal/agent/hypervisor"
	hypervisorfake "kumoi/internal/agent/hypervisor/fake"
	"kumoi/internal/agent/hypervisor/libvirt"
	"kumoi/internal/agent/vif"
	"kumoi/internal/doctor"
	"kumoi/internal/hostapi"
	"kumoi/internal/hoststack"
	"kumoi/internal/kernel/bus"
	volumefake "kumoi/internal/volume/backend/fake"
)

// host is the agent's role.
type host struct {
	agent *agent.Agent
	conn  bus.Conn
}

func startHost(ctx context.Context, c *Cloud) (*host, error) {
	h := &host{}
	var err error
	c.say("connecting to the bus")
	if h.conn, err = c.connectBus(ctx); err != nil {
		return nil, err
	}
	c.onStop("bus connection", h.conn.Close)
	hv, plugger, err := c.drivers(ctx)
	if err != nil {
		return nil, err
	}
	cfg := agent.Config{
		Host: c.cfg.Host, DataDir: c.cfg.path("host"), Address: "127.0.0.1", ChassisID: c.cfg.Host, Version: Version,
		CacheLimit: int64(c.cfg.ImageCacheGiB) << 30, Backends: c.cfg.Volumes.settings(),
	}
	if c.cfg.TunnelAddress != "" {
		cfg.Address = c.cfg.TunnelAddress
	}
	if !c.cfg.Fake() {
		cfg.QEMUUser, cfg.QEMUGroup = c.stack.QEMUIDs()
	}
	if c.cfg.OutsideCIDR != "" {
		cfg.BridgeMappings = map[string]string{hoststack.OutsideNetwork: "br-kumoi"}
	}
	if h.agent, err = agent.New(cfg, agent.Deps{Bus: h.conn, Hypervisor: hv, VIF: plugger, Volumes: c.backends(h.conn), Log: c.log}); err != nil {
		return nil, err
	}
	if err := h.agent.Start(ctx); err != nil {
		return nil, fmt.Errorf("start the agent: %w", err)
	}
	c.onStop("agent", func() error { return h.agent.Stop(context.Background()) })
	return h, nil
}

// backends are pretended for guests that are; real guests have their host's own.
func (c *Cloud) backends(conn bus.Conn) map[string]hostapi.VolumeHost {
	if !c.cfg.Fake() {
		return nil
	}
	return volumefake.New(volumefake.Config{Host: c.cfg.Host, Control: hostapi.Control{Bus: conn, Host: c.cfg.Host}}).ByBackend()
}

// drivers are what the agent runs guests and plugs ports with.
func (c *Cloud) drivers(ctx context.Context) (hypervisor.Hypervisor, vif.Plugger, error) {
	if c.cfg.Fake() {
		if c.cfg.Guests != nil {
			return c.cfg.Guests, vif.NewFake(), nil
		}
		return hypervisorfake.New(), vif.NewFake(), nil
	}
	virt := c.cfg.VirtType
	if virt == "auto" {
		c.say("trying whether guests run under KVM")
		kind, why := doctor.DetectVirt(ctx, c.cfg.DataDir)
		virt = string(kind)
		c.log.Info("virtualisation", "type", virt, "why", why)
	}
	plugger, err := vif.NewOVS(vif.OVSConfig{
		Remote: c.stack.OVSRemote(), Env: c.stack.OVSEnv(), Bridge: hoststack.IntegrationBridge,
		Userspace: c.stack.Datapath() == hoststack.DatapathNetdev, Dir: c.cfg.path("host", "namespaces"), Log: c.log,
	})
	if err != nil {
		return nil, nil, err
	}
	return libvirt.New(libvirt.Config{Socket: c.stack.LibvirtSocket(), LibDir: c.stack.LibvirtDir(), VirtType: virt, Log: c.log}), plugger, nil
}
