package computetest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/task"
	"kumoi/internal/kernel/waittest"
	"kumoi/internal/volume"
	"kumoi/internal/volume/backend/fake"
)

// Backends are hosts' volumes in memory, by host.
type Backends map[string]*Backend

// Backend is a host's volumes, which fail when told to.
type Backend struct {
	*fake.Host
	mu   sync.Mutex
	fail map[string]error
}

func newBackends(hosts []string) Backends {
	net, out := fake.NewNet(), Backends{}
	for _, h := range hosts {
		out[h] = &Backend{Host: fake.New(fake.Config{Host: h, Net: net}), fail: map[string]error{}}
	}
	return out
}

// reports has all hosts say again and again what they have.
func (b Backends) reports(s *volume.Service) task.Task {
	return task.Task{Name: "test.backends", Every: hostapi.HeartbeatEvery, Run: func(ctx context.Context) (string, error) { return "", b.report(ctx, s) }}
}

func (b Backends) report(ctx context.Context, s *volume.Service) error {
	for name, host := range b {
		list, err := host.VolumeBackends(ctx)
		if err == nil {
			err = s.Backends.TakeReport(actor.AsSystem(ctx, "test"), name, hostapi.VolumeReport{Backends: list})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Volumes is what a host does with volumes.
func (b Backends) Volumes(host string) hostapi.VolumeHost { return b[host] }

// Fail has a verb answer err until Fail is called with nil.
func (b *Backend) Fail(verb string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail[verb] = err
}

func (b *Backend) enter(verb string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fail[verb]
}

// CreateVolume makes a volume.
func (b *Backend) CreateVolume(ctx context.Context, c *hostapi.VolumeCreate) (*hostapi.VolumeBytes, error) {
	if err := b.enter(hostapi.VerbVolumeCreate); err != nil {
		return nil, err
	}
	order := *c
	order.Image = nil // images here are no disks
	return b.Host.CreateVolume(ctx, &order)
}

// ExportVolume gives a client a way to a volume.
func (b *Backend) ExportVolume(ctx context.Context, e *hostapi.VolumeExport) (*hostapi.VolumeConnection, error) {
	if err := b.enter(hostapi.VerbVolumeExport); err != nil {
		return nil, err
	}
	return b.Host.ExportVolume(ctx, e)
}

// UnexportVolume ends that.
func (b *Backend) UnexportVolume(ctx context.Context, ref hostapi.VolumeRef, client string) error {
	if err := b.enter(hostapi.VerbVolumeUnexport); err != nil {
		return err
	}
	return b.Host.UnexportVolume(ctx, ref, client)
}

// VolumeClient speaks to the volume service's API.
type VolumeClient struct{ *Client }

// VolumeClient returns a client of the volume service for a token.
func (c *Cloud) VolumeClient(t testing.TB, token string) VolumeClient {
	return VolumeClient{&Client{T: t, URL: c.VolumeURL, Token: token}}
}

// Create asks for a volume of 1 GiB and returns its id when it is available; changes override.
func (c VolumeClient) Create(changes Object) string {
	c.T.Helper()
	v := Object{"size": 1}
	maps.Copy(v, changes)
	id, _ := c.Must(202, "POST", "/volumes", Object{"volume": v})["volume"].(Object)["id"].(string)
	c.Wait(id, "available")
	return id
}

// Wait waits until a volume shows a status.
func (c VolumeClient) Wait(id, status string) Object {
	c.T.Helper()
	var v Object
	waittest.Until(c.T, 20*time.Second, func() error {
		if v = c.Must(200, "GET", "/volumes/"+id, nil)["volume"].(Object); v["status"] != status {
			return fmt.Errorf("volume %s is %v, not %s", id, v["status"], status)
		}
		return nil
	})
	return v
}

// WaitGone waits until a volume does not exist any more.
func (c VolumeClient) WaitGone(id string) {
	c.T.Helper()
	waittest.Until(c.T, 20*time.Second, func() error {
		if status, _, out := c.Do("GET", "/volumes/"+id, nil); status != 404 {
			return fmt.Errorf("volume %s is still there: %v", id, out)
		}
		return nil
	})
}
