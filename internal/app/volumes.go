package app

import (
	"context"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/volume"
)

// volumeHosts are the hosts that compute knows, asked over the bus.
type volumeHosts struct {
	hostapi.Client
	services *services
}

var _ volume.Hosts = volumeHosts{}

func (h volumeHosts) Names(ctx context.Context) ([]string, error) {
	hosts, err := h.services.compute.Hosts.List(actor.AsSystem(ctx, "volume"), "os-hypervisors:list")
	names := make([]string, len(hosts))
	for i, one := range hosts {
		names[i] = one.Name
	}
	return names, err
}

// volumeServers are the servers that have volumes, which compute knows. The two
// services need each other; compute is made later.
type volumeServers struct{ services *services }

var _ volume.Servers = volumeServers{}

func (v volumeServers) HasVolume(ctx context.Context, serverID, volumeID string) (bool, error) {
	return v.services.compute.VolumeAttachments.Has(ctx, serverID, volumeID)
}

func (v volumeServers) VolumeResized(ctx context.Context, serverID, volumeID string, sizeGiB int) {
	v.services.compute.VolumeAttachments.Resized(ctx, serverID, volumeID, sizeGiB)
}
