package apptest

import (
	"bytes"
	"context"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

// Session is a logged-in user with a client per service.
type Session struct {
	t                                 testing.TB
	ctx                               context.Context //nolint:containedctx // the test's own
	Provider                          *gophercloud.ProviderClient
	Identity, Image, Network, Compute *gophercloud.ServiceClient
	Placement                         *gophercloud.ServiceClient
}

func newSession(t testing.TB, p *gophercloud.ProviderClient) *Session {
	t.Helper()
	s := &Session{t: t, ctx: t.Context(), Provider: p}
	for _, c := range []struct {
		into **gophercloud.ServiceClient
		make func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)
	}{
		{&s.Identity, openstack.NewIdentityV3},
		{&s.Image, openstack.NewImageV2},
		{&s.Network, openstack.NewNetworkV2},
		{&s.Compute, openstack.NewComputeV2},
		{&s.Placement, openstack.NewPlacementV1},
	} {
		client, err := c.make(p, gophercloud.EndpointOpts{Region: "RegionOne"})
		if err != nil {
			t.Fatal(err)
		}
		*c.into = client
	}
	s.Compute.Microversion = "2.90"
	s.Placement.Microversion = "1.39"
	return s
}

// must fails the test on an error and returns the value.
func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// NewUser makes a project and a member of it, both of one name, and logs in.
func (c *Cloud) NewUser(admin *Session, name string) *Session {
	c.t.Helper()
	project := must[*projects.Project](c.t)(projects.Create(admin.ctx, admin.Identity, projects.CreateOpts{Name: name, DomainID: "default"}).Extract())
	user := must[*users.User](c.t)(users.Create(admin.ctx, admin.Identity, users.CreateOpts{Name: name, DomainID: "default", Password: name + "'s password"}).Extract())
	page, err := roles.List(admin.Identity, roles.ListOpts{Name: "member"}).AllPages(admin.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	member := must[[]roles.Role](c.t)(roles.ExtractRoles(page))
	if len(member) != 1 {
		c.t.Fatalf("%d roles named member", len(member))
	}
	if err := roles.Assign(admin.ctx, admin.Identity, member[0].ID, roles.AssignOpts{UserID: user.ID, ProjectID: project.ID}).ExtractErr(); err != nil {
		c.t.Fatal(err)
	}
	return c.Login(name, name+"'s password", name)
}

// NewImage uploads a small public image.
func (s *Session) NewImage() string {
	s.t.Helper()
	visibility := images.ImageVisibilityPublic
	image := must[*images.Image](s.t)(images.Create(s.ctx, s.Image, images.CreateOpts{
		Name: "small", DiskFormat: "raw", ContainerFormat: "bare", Visibility: &visibility,
	}).Extract())
	data := bytes.Repeat([]byte("a disk that nobody boots\n"), 4096)
	if err := imagedata.Upload(s.ctx, s.Image, image.ID, bytes.NewReader(data)).ExtractErr(); err != nil {
		s.t.Fatal(err)
	}
	return image.ID
}

// NewFlavor makes a flavor of one CPU.
func (s *Session) NewFlavor() string {
	s.t.Helper()
	disk := 1
	return must[*flavors.Flavor](s.t)(flavors.Create(s.ctx, s.Compute, flavors.CreateOpts{Name: "small", VCPUs: 1, RAM: 64, Disk: &disk}).Extract()).ID
}

// NewNetwork makes a network with a subnet.
func (s *Session) NewNetwork(name string) string {
	s.t.Helper()
	network := must[*networks.Network](s.t)(networks.Create(s.ctx, s.Network, networks.CreateOpts{Name: name}).Extract())
	must[*subnets.Subnet](s.t)(subnets.Create(s.ctx, s.Network, subnets.CreateOpts{
		NetworkID: network.ID, CIDR: "10.20.0.0/16", IPVersion: gophercloud.IPv4,
	}).Extract())
	return network.ID
}

// Need is what a server is made of.
type Need struct{ Image, Flavor, Network string }

// Prepare makes what servers of a user need.
func Prepare(admin, user *Session) Need {
	return Need{Image: admin.NewImage(), Flavor: admin.NewFlavor(), Network: user.NewNetwork("private")}
}

// NewServer asks for a server and does not wait.
func (s *Session) NewServer(name string, n Need) string {
	s.t.Helper()
	server := must[*servers.Server](s.t)(servers.Create(s.ctx, s.Compute, servers.CreateOpts{
		Name: name, ImageRef: n.Image, FlavorRef: n.Flavor, Networks: []servers.Network{{UUID: n.Network}},
	}, nil).Extract())
	return server.ID
}

// Server returns a server.
func (s *Session) Server(id string) *servers.Server {
	s.t.Helper()
	return must[*servers.Server](s.t)(servers.Get(s.ctx, s.Compute, id).Extract())
}

// WaitServer waits until a server has a status; ERROR ends the test unless it is awaited.
func (s *Session) WaitServer(id, status string) *servers.Server {
	s.t.Helper()
	var server *servers.Server
	Until(s.t, "server "+id+" to be "+status, func() bool {
		server = s.Server(id)
		if server.Status == "ERROR" && status != "ERROR" {
			s.t.Fatalf("server %s: %s", id, server.Fault.Message)
		}
		return server.Status == status
	})
	return server
}

// Gone tells whether an error says that something is not there.
func Gone(err error) bool { return gophercloud.ResponseCodeIs(err, 404) }
