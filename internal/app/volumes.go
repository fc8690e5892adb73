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
	hosts, err := h.services.compute.Hosts(actor.AsSystem(ctx, "volume"), "os-hypervisors:list")
	names := make([]string, len(hosts))
	for i, one := range hosts {
		names[i] = one.Name
	}
	return names, err
}
