package compute

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/store"
)

// template makes what all servers of the request have in common.
func (s *orders) template(ctx context.Context, tx *store.Tx, r CreateServer, image *Image) (*Server, error) {
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

func parseBool(text string) (value, ok bool) {
	v, err := strconv.ParseBool(strings.ToLower(text))
	return v, err == nil
}

// newPassword makes the 12 characters that Nova gives as adminPass.
func newPassword() string { return rand.Text()[:12] }

// flavorFor finds a flavor that the actor may use; a body that names another is a bad request.
func (s *orders) flavorFor(ctx context.Context, tx *store.Tx, id string) (*Flavor, error) {
	f, err := s.Flavors.Get(ctx, tx, id)
	if err != nil {
		return nil, invalidIfMissing(err, "Flavor %s could not be found.", id)
	}
	return f, nil
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
