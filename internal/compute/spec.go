package compute

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// spec describes a server to its host: everything an agent needs.
func (s *machines) spec(ctx context.Context, id string) (*hostapi.ServerSpec, *Server, error) {
	var spec *hostapi.ServerSpec
	var srv *Server
	var devices []*VolumeDevice
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		if srv, err = s.servers.Get(ctx, tx, id); err != nil {
			return notFound(err, "Instance %s could not be found.", id)
		}
		nics, err := s.network.NICSpecsTx(ctx, tx, id)
		if err != nil {
			return err
		}
		groups, err := s.network.ServerSecurityGroupsTx(ctx, tx, []string{id})
		if err != nil {
			return err
		}
		addresses, err := s.network.ServerAddressesTx(ctx, tx, []string{id})
		if err != nil {
			return err
		}
		spec = buildSpec(srv, nics, groups[id], addresses[id], s.cfg)
		if s.volumes != nil {
			devices, err = s.connections.of(ctx, tx, id)
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	spec.Volumes, err = s.connections.specs(ctx, id, devices)
	return spec, srv, err
}

func buildSpec(srv *Server, nics []hostapi.NIC, groups []*network.SecurityGroup, addresses []network.ServerAddress, cfg Config) *hostapi.ServerSpec {
	spec := &hostapi.ServerSpec{
		ID: srv.ID, Generation: srv.Generation, Name: srv.Name, Hostname: srv.Hostname,
		ProjectID: srv.ProjectID, UserID: srv.UserID, FlavorName: srv.Flavor.Name,
		VCPUs: srv.Flavor.VCPUs, MemoryMiB: srv.Flavor.RAM, Hints: hints(srv),
		Root: srv.Root, Ephemeral: srv.ephemeral(), Swap: srv.swap(), NICs: nics,
		Power: srv.Power, StopGrace: cfg.StopGrace,
		Rescue: srv.Rescue, Boot: srv.Boot, HardBoot: srv.HardBoot, Rebuild: srv.Rebuild,
		ConfigDrive: srv.ConfigDrive, Console: hostapi.ConsoleSpec{VNC: hasScreen(srv)},
		Metadata: hostapi.Metadata{
			AvailabilityZone: srv.AvailabilityZone, LaunchIndex: srv.LaunchIndex, ReservationID: srv.ReservationID,
			KeyName: srv.KeyName, PublicKey: srv.PublicKey, KeyType: srv.KeyType, AdminPass: srv.AdminPass,
			Meta: srv.Metadata, Files: srv.Files, ImageID: srv.ImageID, CreatedAt: srv.CreatedAt,
		},
	}
	// What was accepted as base64 decodes.
	if data, err := base64.StdEncoding.DecodeString(srv.UserData); err == nil && len(data) > 0 {
		spec.Metadata.UserData = data
	}
	spec.Metadata.RandomSeed = make([]byte, 512) // of the size that Nova gives
	_, _ = rand.Read(spec.Metadata.RandomSeed)   // it never fails
	for i := range spec.NICs {
		if spec.NICs[i].Model == "" {
			spec.NICs[i].Model = spec.Hints["hw_vif_model"]
		}
	}
	for _, g := range groups {
		spec.Metadata.SecurityGroups = append(spec.Metadata.SecurityGroups, g.Name)
	}
	for _, a := range addresses {
		if a.Floating {
			spec.Metadata.PublicIPs = append(spec.Metadata.PublicIPs, a.IP)
		}
	}
	return spec
}

// hints are the image properties and extra specs that shape a machine. The
// flavor has the last word.
func hints(srv *Server) map[string]string {
	out := map[string]string{}
	for k, v := range srv.ImageProps {
		if strings.HasPrefix(k, "hw_") || strings.HasPrefix(k, "os_") {
			out[k] = v
		}
	}
	for k, v := range srv.Flavor.ExtraSpecs {
		if strings.HasPrefix(k, "hw:") || strings.HasPrefix(k, "hw_") || strings.HasPrefix(k, "quota:") {
			out[k] = v
		}
	}
	return out
}
