package demo

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/rules"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"github.com/gophercloud/gophercloud/v2/pagination"
	"golang.org/x/crypto/ssh"
)

const privateCIDR = "10.20.0.0/24"

// first returns the first item of a list, nil if it is empty.
func first[T any](p pagination.Pager, ctx context.Context, extract func(pagination.Page) ([]T, error)) (*T, error) {
	page, err := p.AllPages(ctx)
	if err != nil {
		return nil, err
	}
	items, err := extract(page)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	return &items[0], nil
}

func (w *walk) network(p *gophercloud.ProviderClient) (string, error) {
	c, err := openstack.NewNetworkV2(p, w.region)
	if err != nil {
		return "", err
	}
	n, err := first(networks.List(c, networks.ListOpts{Name: "private", ProjectID: w.projectID}), w.ctx, networks.ExtractNetworks)
	if err != nil {
		return "", err
	}
	if n == nil {
		if n, err = networks.Create(w.ctx, c, networks.CreateOpts{Name: "private"}).Extract(); err != nil {
			return "", err
		}
	}
	w.networkID = n.ID
	if len(n.Subnets) > 0 {
		w.subnetID = n.Subnets[0]
		return privateCIDR, nil
	}
	s, err := subnets.Create(w.ctx, c, subnets.CreateOpts{NetworkID: n.ID, Name: "private", CIDR: privateCIDR, IPVersion: gophercloud.IPv4}).Extract()
	if err != nil {
		return "", err
	}
	w.subnetID = s.ID
	return privateCIDR, nil
}

func (w *walk) router(p *gophercloud.ProviderClient) (string, error) {
	c, err := openstack.NewNetworkV2(p, w.region)
	if err != nil {
		return "", err
	}
	r, err := first(routers.List(c, routers.ListOpts{Name: "edge", ProjectID: w.projectID}), w.ctx, routers.ExtractRouters)
	if err != nil {
		return "", err
	}
	if r == nil {
		r, err = routers.Create(w.ctx, c, routers.CreateOpts{Name: "edge", GatewayInfo: &routers.GatewayInfo{NetworkID: w.outsideID}}).Extract()
		if err != nil {
			return "", err
		}
	}
	joined, err := first(ports.List(c, ports.ListOpts{DeviceID: r.ID, NetworkID: w.networkID}), w.ctx, ports.ExtractPorts)
	if err != nil {
		return "", err
	}
	if joined == nil {
		if _, err := routers.AddInterface(w.ctx, c, r.ID, routers.AddInterfaceOpts{SubnetID: w.subnetID}).Extract(); err != nil {
			return "", err
		}
	}
	for _, ip := range r.GatewayInfo.ExternalFixedIPs {
		return "leaves as " + ip.IPAddress, nil
	}
	return r.ID, nil
}

func (w *walk) securityGroup(p *gophercloud.ProviderClient) (string, error) {
	c, err := openstack.NewNetworkV2(p, w.region)
	if err != nil {
		return "", err
	}
	g, err := first(groups.List(c, groups.ListOpts{Name: "ssh", ProjectID: w.projectID}), w.ctx, groups.ExtractGroups)
	if err != nil {
		return "", err
	}
	if g != nil {
		w.groupID = g.ID
		return "tcp 22, icmp", nil
	}
	if g, err = groups.Create(w.ctx, c, groups.CreateOpts{Name: "ssh", Description: "ssh and ping from anywhere"}).Extract(); err != nil {
		return "", err
	}
	w.groupID = g.ID
	for _, rule := range []rules.CreateOpts{
		{Protocol: rules.ProtocolTCP, PortRangeMin: 22, PortRangeMax: 22},
		{Protocol: rules.ProtocolICMP},
	} {
		rule.SecGroupID, rule.Direction, rule.EtherType, rule.RemoteIPPrefix = g.ID, rules.DirIngress, rules.EtherType4, "0.0.0.0/0"
		if _, err := rules.Create(w.ctx, c, rule).Extract(); err != nil {
			return "", err
		}
	}
	return "tcp 22, icmp", nil
}

func (w *walk) keyFile() string { return filepath.Join(w.Dir, "id_ed25519") }

func (w *walk) keyPair(p *gophercloud.ProviderClient) (string, error) {
	c, err := openstack.NewComputeV2(p, w.region)
	if err != nil {
		return "", err
	}
	public, err := ensureKey(w.keyFile())
	if err != nil {
		return "", err
	}
	have, err := keypairs.Get(w.ctx, c, "demo", keypairs.GetOpts{}).Extract()
	switch {
	case err == nil && strings.TrimSpace(have.PublicKey) == strings.TrimSpace(public):
		return w.keyFile(), nil
	case err == nil:
		if err := keypairs.Delete(w.ctx, c, "demo", keypairs.DeleteOpts{}).ExtractErr(); err != nil {
			return "", err
		}
	case !absent(err):
		return "", err
	}
	_, err = keypairs.Create(w.ctx, c, keypairs.CreateOpts{Name: "demo", PublicKey: public}).Extract()
	return w.keyFile(), err
}

func (w *walk) server(p *gophercloud.ProviderClient) (string, error) {
	c, err := openstack.NewComputeV2(p, w.region)
	if err != nil {
		return "", err
	}
	have, err := first(servers.List(c, servers.ListOpts{Name: "^first$"}), w.ctx, servers.ExtractServers)
	if err != nil {
		return "", err
	}
	if have != nil {
		w.serverID = have.ID
		kept, err := w.mend(c, have)
		if kept || err != nil {
			return have.ID, err
		}
	}
	s, err := servers.Create(w.ctx, c, keypairs.CreateOptsExt{
		CreateOptsBuilder: servers.CreateOpts{
			Name: "first", ImageRef: w.imageID, FlavorRef: w.flavorID,
			Networks: []servers.Network{{UUID: w.networkID}}, SecurityGroups: []string{"ssh"},
			UserData: []byte("#!/bin/sh\necho \"made by the demo\" > /etc/motd\n"),
		},
		KeyName: "demo",
	}, nil).Extract()
	if err != nil {
		return "", err
	}
	w.serverID = s.ID
	return s.ID, nil
}

// mend brings a server that is there on its way to run again, and removes one
// that cannot: then it is not kept.
func (w *walk) mend(c *gophercloud.ServiceClient, s *servers.Server) (kept bool, err error) {
	switch s.Status {
	case "SHUTOFF":
		err = servers.Start(w.ctx, c, s.ID).ExtractErr()
	case "PAUSED":
		err = servers.Unpause(w.ctx, c, s.ID).ExtractErr()
	case "SUSPENDED":
		err = servers.Resume(w.ctx, c, s.ID).ExtractErr()
	case "SHELVED", "SHELVED_OFFLOADED":
		err = servers.Unshelve(w.ctx, c, s.ID, servers.UnshelveOpts{}).ExtractErr()
	case "ERROR", "DELETED", "SOFT_DELETED":
		if err := servers.ForceDelete(w.ctx, c, s.ID).ExtractErr(); err != nil && !absent(err) {
			return false, err
		}
		return false, w.until("the broken server gone", time.Minute, 100*time.Millisecond, func() (bool, error) {
			_, err := servers.Get(w.ctx, c, s.ID).Extract()
			if absent(err) {
				return true, nil
			}
			return false, err
		})
	}
	return true, err
}

func (w *walk) running(p *gophercloud.ProviderClient) (string, error) {
	c, err := openstack.NewComputeV2(p, w.region)
	if err != nil {
		return "", err
	}
	status := ""
	err = w.until("server ACTIVE", 2*time.Minute, 100*time.Millisecond, func() (bool, error) {
		s, err := servers.Get(w.ctx, c, w.serverID).Extract()
		if err != nil {
			return false, err
		}
		if status = s.Status; status == "ERROR" {
			return false, fmt.Errorf("the server is in ERROR: %s", s.Fault.Message)
		}
		return status == "ACTIVE", nil
	})
	return status, err
}

func (w *walk) floatingIP(p *gophercloud.ProviderClient) (string, error) {
	c, err := openstack.NewNetworkV2(p, w.region)
	if err != nil {
		return "", err
	}
	port, err := first(ports.List(c, ports.ListOpts{DeviceID: w.serverID}), w.ctx, ports.ExtractPorts)
	if err != nil {
		return "", err
	}
	if port == nil || len(port.FixedIPs) == 0 {
		return "", fmt.Errorf("server %s has no address", w.serverID)
	}
	w.portID, w.fixedIP = port.ID, port.FixedIPs[0].IPAddress
	have, err := first(floatingips.List(c, floatingips.ListOpts{PortID: port.ID}), w.ctx, floatingips.ExtractFloatingIPs)
	if err != nil {
		return "", err
	}
	if have == nil {
		if have, err = w.spare(c, port.ID); err != nil {
			return "", err
		}
	}
	if have == nil {
		have, err = floatingips.Create(w.ctx, c, floatingips.CreateOpts{FloatingNetworkID: w.outsideID, PortID: port.ID}).Extract()
		if err != nil {
			return "", err
		}
	}
	w.address = have.FloatingIP
	return fmt.Sprintf("%s → %s", w.address, w.fixedIP), nil
}

// spare gives the port a floating IP that an earlier server left, if there is one.
func (w *walk) spare(c *gophercloud.ServiceClient, port string) (*floatingips.FloatingIP, error) {
	page, err := floatingips.List(c, floatingips.ListOpts{FloatingNetworkID: w.outsideID, ProjectID: w.projectID}).AllPages(w.ctx)
	if err != nil {
		return nil, err
	}
	list, err := floatingips.ExtractFloatingIPs(page)
	for _, ip := range list {
		if ip.PortID == "" {
			return floatingips.Update(w.ctx, c, ip.ID, floatingips.UpdateOpts{PortID: &port}).Extract()
		}
	}
	return nil, err
}

// visit logs into the guest through its floating IP and runs a command.
func (w *walk) visit() (string, error) {
	w.begin("a command over ssh inside the guest")
	key, err := os.ReadFile(w.keyFile())
	if err != nil {
		return "", err
	}
	signer, err := ssh.ParsePrivateKey(key)
	if err != nil {
		return "", err
	}
	config := &ssh.ClientConfig{
		User: w.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, Timeout: 5 * time.Second,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // a new guest's key is known to nobody yet
	}
	var said []byte
	var last error
	err = w.until("ssh to "+w.address, 3*time.Minute, 250*time.Millisecond, func() (bool, error) {
		client, err := ssh.Dial("tcp", net.JoinHostPort(w.address, "22"), config)
		if err != nil {
			last = err
			return false, nil
		}
		defer client.Close()
		session, err := client.NewSession()
		if err != nil {
			last = err
			return false, nil
		}
		defer session.Close()
		said, last = session.Output("hostname && uname -sr && cat /proc/uptime")
		return last == nil, nil
	})
	if err != nil {
		fmt.Fprintln(w.Out, "failed")
		return "", fmt.Errorf("%w (last: %v)", err, last) //nolint:errorlint // one cause is enough to unwrap
	}
	text := strings.ReplaceAll(strings.TrimSpace(string(said)), "\n", ", ")
	w.end(text)
	return text, nil
}
