package compute

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
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

// CreateServers makes servers: their rows, ports and sagas in one transaction.
// What they will become is decided by the saga.
func (s *Service) CreateServers(ctx context.Context, r CreateServer) ([]*Server, error) {
	if err := s.checkCreate(ctx, &r); err != nil {
		return nil, err
	}
	image, err := s.bootImage(ctx, &r)
	if err != nil {
		return nil, err
	}
	images, err := s.imagesOf(ctx, &r)
	if err != nil {
		return nil, err
	}
	var out []*Server
	err = s.write(ctx, func(tx *store.Tx) error {
		out = nil
		if d := r.bootDevice(); d != nil {
			var err error
			if image, err = s.bootVolume(ctx, tx, d, images); err != nil {
				return err
			}
		}
		template, err := s.template(ctx, tx, r, image)
		if err != nil {
			return err
		}
		n, err := s.checkServerQuota(ctx, tx, template.ProjectID, template.Flavor, r.Min, r.Max)
		if err != nil {
			return err
		}
		if err := s.checkCreateLimits(ctx, tx, r, template, n); err != nil {
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
			if err := s.insert(ctx, tx, &srv, r, images); err != nil {
				return err
			}
			out = append(out, &srv)
		}
		return nil
	})
	return out, err
}

// insert writes one server, its volumes, its ports and its saga.
func (s *Service) insert(ctx context.Context, tx *store.Tx, srv *Server, r CreateServer, images map[string]*Image) error {
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
	return s.begin(ctx, tx, srv, kindCreate, "create", &placing{})
}

// checkCreate asks the policies that the request touches.
func (s *Service) checkCreate(ctx context.Context, r *CreateServer) error {
	if err := s.Check(ctx, "servers:create"); err != nil {
		return err
	}
	if len(r.Networks) > 0 {
		if err := s.Check(ctx, "servers:create:attach_network"); err != nil {
			return err
		}
	}
	if len(r.Devices) > 0 {
		if err := s.Check(ctx, "servers:create:attach_volume"); err != nil {
			return err
		}
	}
	zone, host, node := splitZone(r.Zone)
	if host != "" || node != "" {
		if err := s.Check(ctx, "servers:create:forced_host"); err != nil {
			return err
		}
		r.Zone, r.Host = zone, host
		if host == "" {
			r.Host = node
		}
	} else if r.Host != "" || r.Node != "" {
		if err := s.policy.Check(ctx, "os_compute_api:servers:create:forced_host", own(ctx)); err != nil {
			return errs.New(errs.Forbidden, "Policy doesn't allow compute:servers:create:requested_destination to be performed.")
		}
		if r.Host == "" {
			r.Host = r.Node
		}
	}
	if r.Min == 0 {
		r.Min = 1
	}
	if r.Max == 0 {
		r.Max = r.Min
	}
	if r.Min > r.Max {
		return errs.New(errs.Invalid, "min_count must be <= max_count")
	}
	if r.Max > 1 {
		for _, n := range r.Networks {
			switch {
			case n.PortID != "":
				return errs.New(errs.Invalid, "Unable to launch multiple instances with a single configured port ID. Please launch your instance one by one with different ports.")
			case n.FixedIP != "":
				return errs.New(errs.Invalid, "Invalid fixed IP Address %s: it cannot be used for several instances.", n.FixedIP)
			}
		}
	}
	return nil
}

// splitZone cuts "zone:host:node".
func splitZone(text string) (zone, host, node string) {
	parts := strings.SplitN(text, ":", 3)
	zone = parts[0]
	if len(parts) > 1 {
		host = parts[1]
	}
	if len(parts) > 2 {
		node = parts[2]
	}
	return zone, host, node
}

// bootImage finds the image to boot from; nil if the server boots from a volume.
func (s *Service) bootImage(ctx context.Context, r *CreateServer) (*Image, error) {
	named := r.ImageID
	var image *Image
	var err error
	if named != "" {
		if image, err = s.imageToBoot(ctx, named); err != nil {
			return nil, err
		}
		if err := r.takeDevices(image); err != nil {
			return nil, err
		}
	}
	r.Devices = slices.DeleteFunc(r.Devices, func(d BlockDevice) bool { return d.NoDevice })
	if err := s.checkDevices(r); err != nil {
		return nil, err
	}
	switch {
	case r.bootDevice() != nil:
		return nil, nil
	case r.ImageID == "":
		return nil, errs.New(errs.Invalid, "Invalid imageRef provided.")
	case r.ImageID != named: // a device names it
		return s.imageToBoot(ctx, r.ImageID)
	}
	return image, nil
}

func (s *Service) imageToBoot(ctx context.Context, id string) (*Image, error) {
	image, err := s.images.Show(ctx, id)
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Forbidden) {
		return nil, errs.New(errs.Invalid, "Can not find requested image")
	}
	if err != nil {
		return nil, err
	}
	return image, usable(image)
}

func usable(image *Image) error {
	if image.Status != "active" {
		return errs.New(errs.Invalid, "Image %s is not active.", image.ID)
	}
	return nil
}

// template makes what all servers of the request have in common.
func (s *Service) template(ctx context.Context, tx *store.Tx, r CreateServer, image *Image) (*Server, error) {
	who, now := actor.From(ctx), s.now().UTC()
	flavor, err := s.flavorFor(ctx, tx, r.FlavorID)
	if err != nil {
		return nil, err
	}
	if err := s.fitsImage(ctx, flavor, image); err != nil {
		return nil, err
	}
	srv := &Server{
		ProjectID: who.ProjectID, UserID: who.UserID, Name: r.Name, Description: r.Description, Hostname: r.Hostname,
		ReservationID: "r-" + rand.Text()[:8], ImageID: image.ID, ImageProps: image.Properties,
		Root: r.rootDisk(image, flavor.Disk), Flavor: flavor,
		UserData: r.UserData, ConfigDrive: r.ConfigDrive, Metadata: r.Metadata, Files: r.Files,
		AdminPass: r.AdminPass, SecurityGroups: r.SecurityGroups, Hints: r.Hints, Tags: r.Tags,
		PinnedZone: r.Zone, AvailabilityZone: r.Zone, RequestedHost: r.Host,
		AccessIPv4: r.AccessIPv4, AccessIPv6: r.AccessIPv6, DiskConfig: r.DiskConfig,
		VMState: VMBuilding, TaskState: TaskScheduling, Power: hostapi.PowerRunning, Generation: 1,
		CreatedAt: now, UpdatedAt: now,
	}
	if srv.Local, err = r.localDisks(flavor); err != nil {
		return nil, err
	}
	if image.Properties["img_config_drive"] == "mandatory" {
		srv.ConfigDrive = true
	}
	if srv.DiskConfig == "" {
		srv.DiskConfig = "MANUAL"
		if ok, _ := parseBool(image.Properties["auto_disk_config"]); ok {
			srv.DiskConfig = "AUTO"
		}
	}
	if srv.AdminPass == "" {
		srv.AdminPass = newPassword()
	}
	if r.KeyName != "" {
		key, err := s.Keypairs.Get(ctx, tx, who.UserID, r.KeyName)
		if err != nil {
			return nil, invalidIfMissing(err, "Invalid key_name provided.")
		}
		srv.KeyName, srv.KeyType, srv.PublicKey = key.Name, key.Type, key.PublicKey
	}
	if err := s.checkTarget(ctx, tx, r); err != nil {
		return nil, err
	}
	srv.GroupID, err = s.groupHint(ctx, tx, r.Hints)
	return srv, err
}

// rootDisk is the disk made from an image; none if the image lies in a volume.
func rootDisk(image *Image, sizeGiB int) hostapi.RootDisk {
	if image.ID == "" {
		return hostapi.RootDisk{}
	}
	return hostapi.RootDisk{
		ImageID: image.ID, SizeGiB: sizeGiB, DiskFormat: image.DiskFormat, ImageBytes: image.Bytes(), SHA512: image.SHA512(),
	}
}

func parseBool(text string) (value, ok bool) {
	v, err := strconv.ParseBool(strings.ToLower(text))
	return v, err == nil
}

// newPassword makes the 12 characters that Nova gives as adminPass.
func newPassword() string { return rand.Text()[:12] }

func invalidIfMissing(err error, format string, args ...any) error {
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.Invalid, format, args...)
	}
	return err
}

// fitsImage tells whether an image may be booted with a flavor.
func (s *Service) fitsImage(ctx context.Context, f *Flavor, image *Image) error {
	if f.RAM < int(image.MinRAM) {
		return errs.New(errs.Invalid, "Flavor's memory is too small for requested image. Flavor has %d MB, image needs %d MB.", f.RAM, image.MinRAM)
	}
	if image.ID == "" { // it lies in a volume, which was measured
		return nil
	}
	if f.Disk == 0 {
		if s.policy.Allowed(ctx, "os_compute_api:servers:create:zero_disk_flavor", own(ctx)) {
			return nil
		}
		return errs.New(errs.Forbidden, "Only volume-backed servers are allowed for flavors with zero disk.")
	}
	if f.Disk < int(image.MinDisk) {
		return errs.New(errs.Invalid, "The created instance's disk would be too small. Flavor disk is smaller than the minimum size specified in image metadata. Flavor disk is %d GiB, minimum size is %d GiB.", f.Disk, image.MinDisk)
	}
	if size := image.DiskBytes(); size > int64(f.Disk)<<30 {
		return errs.New(errs.Invalid, "Flavor's disk is too small for requested image. Flavor disk is %d bytes, image is %d bytes.", int64(f.Disk)<<30, size)
	}
	return nil
}

// flavorFor finds a flavor that the actor may use; a body that names another is a bad request.
func (s *Service) flavorFor(ctx context.Context, tx *store.Tx, id string) (*Flavor, error) {
	f, err := s.Flavors.Get(ctx, tx, id)
	if err != nil {
		return nil, invalidIfMissing(err, "Flavor %s could not be found.", id)
	}
	return f, nil
}

// checkTarget refuses a zone or a host that does not exist.
func (s *Service) checkTarget(ctx context.Context, tx *store.Tx, r CreateServer) error {
	if r.Zone == "" && r.Host == "" {
		return nil
	}
	hosts, err := s.hostsTx(ctx, tx)
	if err != nil {
		return err
	}
	if r.Host != "" && !slices.ContainsFunc(hosts, func(h *Host) bool { return h.Name == r.Host }) {
		if r.Zone == "" || r.Zone == s.cfg.DefaultZone || slices.ContainsFunc(hosts, func(h *Host) bool { return h.Zone == r.Zone }) {
			return errs.New(errs.Invalid, "Compute host %s could not be found.", r.Host)
		}
	}
	if r.Zone != "" && !slices.ContainsFunc(hosts, func(h *Host) bool { return h.Zone == r.Zone }) && !(len(hosts) == 0 && r.Zone == s.cfg.DefaultZone) {
		return errs.New(errs.Invalid, "The requested availability zone is not available")
	}
	return nil
}

// checkCreateLimits checks quotas that are not counted in servers.
func (s *Service) checkCreateLimits(ctx context.Context, tx *store.Tx, r CreateServer, srv *Server, n int) error {
	if err := s.checkLimit(ctx, tx, srv.ProjectID, "metadata_items", len(r.Metadata),
		"Quota exceeded, too many metadata items in request: Maximum number of metadata items exceeded"); err != nil {
		return err
	}
	if err := s.checkLimit(ctx, tx, srv.ProjectID, "injected_files", len(r.Files), "Quota exceeded, too many personality items"); err != nil {
		return err
	}
	for _, f := range r.Files {
		if err := s.checkLimit(ctx, tx, srv.ProjectID, "injected_file_path_bytes", len(f.Path), "Personality file path exceeds maximum length"); err != nil {
			return err
		}
		if err := s.checkLimit(ctx, tx, srv.ProjectID, "injected_file_content_bytes", len(f.Content), "Personality file content exceeds maximum length"); err != nil {
			return err
		}
	}
	if srv.GroupID == "" {
		return nil
	}
	g, err := s.ServerGroups.table.Get(ctx, tx, srv.GroupID)
	if err != nil {
		return err
	}
	return s.checkLimit(ctx, tx, srv.ProjectID, "server_group_members", len(g.Members)+n, "Quota exceeded, too many servers in group")
}

// groupHint finds the server group that a scheduler hint names.
func (s *Service) groupHint(ctx context.Context, tx *store.Tx, hints map[string][]string) (string, error) {
	named := hints["group"]
	if len(named) == 0 {
		return "", nil
	}
	if !ids.IsUUID(named[0]) {
		return "", errs.New(errs.Invalid, "Server group scheduler hint must be a UUID.")
	}
	g, err := s.ServerGroups.visible(ctx, tx, named[0])
	if err != nil {
		return "", invalidIfMissing(err, "Instance group %s could not be found.", named[0])
	}
	return g.ID, nil
}

// hostnameOf makes a host name from a server's name, as Nova does.
func hostnameOf(name, id string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '-':
			b.WriteRune(r)
		case r == ' ' || r == '_':
			b.WriteByte('-')
		}
	}
	host := strings.Trim(b.String(), ".-")
	host = strings.ReplaceAll(host, ".", "-")
	if len(host) > 63 {
		host = strings.TrimRight(host[:63], "-")
	}
	if host == "" {
		return "server-" + id
	}
	return host
}
