package demo

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
)

func (w *walk) projectAndUser(p *gophercloud.ProviderClient) (string, error) {
	c, err := openstack.NewIdentityV3(p, w.region)
	if err != nil {
		return "", err
	}
	project, err := first(projects.List(c, projects.ListOpts{Name: "demo", DomainID: "default"}), w.ctx, projects.ExtractProjects)
	if err != nil {
		return "", err
	}
	if project == nil {
		if project, err = projects.Create(w.ctx, c, projects.CreateOpts{Name: "demo", DomainID: "default", Description: "Made by the demo"}).Extract(); err != nil {
			return "", err
		}
	}
	w.projectID = project.ID
	user, err := first(users.List(c, users.ListOpts{Name: "demo", DomainID: "default"}), w.ctx, users.ExtractUsers)
	if err != nil {
		return "", err
	}
	if user == nil {
		if user, err = users.Create(w.ctx, c, users.CreateOpts{Name: "demo", DomainID: "default", DefaultProjectID: project.ID, Password: w.password}).Extract(); err != nil {
			return "", err
		}
	} else if _, err = users.Update(w.ctx, c, user.ID, users.UpdateOpts{Password: w.password}).Extract(); err != nil {
		return "", err
	}
	role, err := first(roles.List(c, roles.ListOpts{Name: "member"}), w.ctx, roles.ExtractRoles)
	if err != nil {
		return "", err
	}
	if role == nil {
		return "", errors.New("the cloud has no role named member")
	}
	return "role member, project " + project.ID, roles.Assign(w.ctx, c, role.ID, roles.AssignOpts{UserID: user.ID, ProjectID: project.ID}).ExtractErr()
}

func (w *walk) image(p *gophercloud.ProviderClient) (string, error) {
	c, err := openstack.NewImageV2(p, w.region)
	if err != nil {
		return "", err
	}
	have, err := first(images.List(c, images.ListOpts{Name: "kumoi-guest", Status: images.ImageStatusActive}), w.ctx, images.ExtractImages)
	if err != nil {
		return "", err
	}
	if have != nil {
		w.imageID = have.ID
		return "is there", nil
	}
	f, err := os.Open(w.ImageFile)
	if err != nil {
		return "", err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	public := images.ImageVisibilityPublic
	made, err := images.Create(w.ctx, c, images.CreateOpts{
		Name: "kumoi-guest", DiskFormat: "qcow2", ContainerFormat: "bare", Visibility: &public,
	}).Extract()
	if err != nil {
		return "", err
	}
	w.imageID = made.ID
	return fmt.Sprintf("%d MiB of %s", st.Size()>>20, filepath.Base(w.ImageFile)), imagedata.Upload(w.ctx, c, made.ID, f).ExtractErr()
}

func (w *walk) flavor(p *gophercloud.ProviderClient) (string, error) {
	c, err := openstack.NewComputeV2(p, w.region)
	if err != nil {
		return "", err
	}
	const detail = "1 vCPU, 256 MiB, 2 GiB disk"
	all, err := flavors.ListDetail(c, flavors.ListOpts{AccessType: flavors.AllAccess}).AllPages(w.ctx)
	if err != nil {
		return "", err
	}
	list, err := flavors.ExtractFlavors(all)
	if err != nil {
		return "", err
	}
	for _, f := range list {
		if f.Name == "tiny" {
			w.flavorID = f.ID
			return detail, nil
		}
	}
	disk := 2
	f, err := flavors.Create(w.ctx, c, flavors.CreateOpts{Name: "tiny", VCPUs: 1, RAM: 256, Disk: &disk}).Extract()
	if err != nil {
		return "", err
	}
	w.flavorID = f.ID
	return detail, nil
}

func (w *walk) outside(p *gophercloud.ProviderClient) (string, error) {
	c, err := openstack.NewNetworkV2(p, w.region)
	if err != nil {
		return "", err
	}
	have, err := first(networks.List(c, outsideNetwork{}), w.ctx, networks.ExtractNetworks)
	if err != nil {
		return "", err
	}
	if have == nil {
		have, err = networks.Create(w.ctx, c, outsideNetwork{}).Extract()
		if err != nil {
			return "", err
		}
	}
	w.outsideID = have.ID
	if len(have.Subnets) > 0 {
		return w.OutsideCIDR, nil
	}
	no := false
	_, err = subnets.Create(w.ctx, c, subnets.CreateOpts{
		NetworkID: have.ID, Name: "outside", CIDR: w.OutsideCIDR, IPVersion: gophercloud.IPv4, EnableDHCP: &no,
		GatewayIP: &w.OutsideGW, AllocationPools: []subnets.AllocationPool{{Start: w.OutsideFirst, End: w.OutsideLast}},
	}).Extract()
	return w.OutsideCIDR, err
}

// outsideNetwork asks for the network behind this machine's outside bridge, which
// the administrator may have made under another name.
type outsideNetwork struct{}

func (outsideNetwork) ToNetworkListQuery() (string, error) {
	return "?router:external=true&provider:network_type=flat&provider:physical_network=outside", nil
}

func (outsideNetwork) ToNetworkCreateMap() (map[string]any, error) {
	return map[string]any{"network": map[string]any{
		"name": "outside", "router:external": true, "provider:network_type": "flat", "provider:physical_network": "outside",
	}}, nil
}

// absent tells whether err is the API's 404.
func absent(err error) bool { return gophercloud.ResponseCodeIs(err, http.StatusNotFound) }
