package compute

import (
	"context"
	"fmt"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// CreateServer is a request for one or several servers.
type CreateServer struct {
	Name           string
	Description    *string
	Hostname       string // "" is derived from the name
	ImageID        string
	FlavorID       string
	KeyName        string
	UserData       string // base64
	ConfigDrive    bool
	Metadata       map[string]string
	Files          []hostapi.File
	AdminPass      string // "" is generated
	SecurityGroups []string
	Networks       []network.RequestedNetwork
	NoNetworks     bool   // "none"
	AutoNetworks   bool   // "auto"
	Zone           string // "zone", "zone:host" or "zone:host:node"
	Host, Node     string // from 2.74
	Min, Max       int
	Devices        []BlockDevice
	Hints          map[string][]string
	Tags           []string
	AccessIPv4     string
	AccessIPv6     string
	DiskConfig     string
}

// BlockDevice is one entry of block_device_mapping_v2.
type BlockDevice struct {
	SourceType, DestinationType string
	ID                          string
	BootIndex                   *int
	SizeGiB                     int
	DeleteOnTermination         bool
	Tag, GuestFormat, Device    string
	Bus, DeviceType             string
	VolumeType                  string
	// NoDevice takes away what the image would have under Device.
	NoDevice bool
}

// Create makes servers: their rows, ports and sagas in one transaction.
// What they will become is decided by the saga.
func (s *Servers) Create(ctx context.Context, r CreateServer) ([]*Server, error) {
	if err := s.orders.allowed(ctx, &r); err != nil {
		return nil, err
	}
	image, err := s.orders.bootImage(ctx, &r)
	if err != nil {
		return nil, err
	}
	images, err := s.orders.imagesOf(ctx, &r)
	if err != nil {
		return nil, err
	}
	var out []*Server
	err = s.write(ctx, func(tx *store.Tx) error {
		out = nil
		if d := r.bootDevice(); d != nil {
			var err error
			if image, err = s.orders.bootVolume(ctx, tx, &r, d, images); err != nil {
				return err
			}
		}
		template, err := s.orders.template(ctx, tx, r, image)
		if err != nil {
			return err
		}
		n, err := s.Quotas.checkServerQuota(ctx, tx, template.ProjectID, template.Flavor, r.Min, r.Max)
		if err != nil {
			return err
		}
		if err := s.orders.checkLimits(ctx, tx, r, template, n); err != nil {
			return err
		}
		for i := range n {
			srv := *template
			srv.ID, srv.LaunchIndex = ids.New(), i
			if r.Max > 1 {
				srv.Name = fmt.Sprintf("%s-%d", r.Name, i+1)
				if r.Hostname != "" {
					srv.Hostname = fmt.Sprintf("%s-%d", r.Hostname, i+1)
				}
			}
			if srv.Hostname == "" {
				srv.Hostname = hostnameOf(srv.Name, srv.ID)
			}
			if err := s.orders.insert(ctx, tx, &srv, r, images); err != nil {
				return err
			}
			out = append(out, &srv)
		}
		return nil
	})
	return out, err
}

// insert writes one server, its volumes, its ports and its saga.
func (s *orders) insert(ctx context.Context, tx *store.Tx, srv *Server, r CreateServer, images map[string]*Image) error {
	if err := s.servers.Insert(ctx, tx, srv); err != nil {
		return err
	}
	if err := s.orderDevices(ctx, tx, srv, &r, images); err != nil {
		return err
	}
	audit.Created(ctx, srv.ID)
	_, err := s.network.AllocatePortsTx(ctx, tx, network.AllocateRequest{
		ServerID: srv.ID, ProjectID: srv.ProjectID, AvailabilityZone: srv.AvailabilityZone, Hostname: srv.Hostname,
		Networks: r.Networks, None: r.NoNetworks, Auto: r.AutoNetworks, SecurityGroups: r.SecurityGroups,
	})
	switch errs.KindOf(err) {
	case errs.NotFound: // what a body names and is not there is a bad request
		e := *errs.As(err)
		e.Kind = errs.Invalid
		return &e
	case errs.OverQuota:
		return errs.Wrap(errs.OverQuota, err, "Maximum number of ports exceeded")
	}
	if err != nil {
		return err
	}
	return s.journal.launch(ctx, tx, srv, kindCreate, "create", &placing{})
}
