package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/agent/volume"
	"kumoi/internal/hostapi"
)

// connector brings volumes to this host's guests, each at a socket.
type connector interface {
	Socket(attachment string) string
	Connect(ctx context.Context, attachment string, conn hostapi.VolumeConnection, size int64) error
	Disconnect(ctx context.Context, attachment string) error
}

// pretended connects guests that are pretended.
type pretended string

func (p pretended) Socket(attachment string) string { return filepath.Join(string(p), "a-"+attachment) }

func (pretended) Connect(context.Context, string, hostapi.VolumeConnection, int64) error {
	return nil
}
func (pretended) Disconnect(context.Context, string) error { return nil }

// openVolumes takes up the host's own volumes, or pretended ones.
func (a *Agent) openVolumes(deps Deps) error {
	run := volumeRun(a.cfg.DataDir)
	if deps.Volumes != nil {
		a.volumes, a.sockets = deps.Volumes, pretended(run)
		return nil
	}
	a.volumes = volumes{}
	for _, setting := range a.cfg.backends() {
		dir := "volumes"
		if setting.Driver != "file" {
			dir = "volumes-" + setting.Name
		}
		b, err := volume.Open(volume.Config{
			Host: a.cfg.Host, Address: a.cfg.Address, Dir: filepath.Join(a.cfg.DataDir, dir), RunDir: run,
			Images: a.images, Control: a.control, UID: a.cfg.QEMUUser, GID: a.cfg.QEMUGroup, Log: a.log,
		}, setting)
		if err != nil {
			return fmt.Errorf("volume backend %s: %w", setting.Name, err)
		}
		a.backends, a.volumes[setting.Name] = append(a.backends, b), b
	}
	a.sockets = volume.Connector{Host: a.cfg.Host, RunDir: run, UID: a.cfg.QEMUUser, GID: a.cfg.QEMUGroup}
	return nil
}

// backends are those of the settings, and always the host's own files.
func (c *Config) backends() []volume.Setting {
	if slices.ContainsFunc(c.Backends, func(s volume.Setting) bool { return s.Driver == "file" }) {
		return c.Backends
	}
	return append([]volume.Setting{{Name: "file", Driver: "file"}}, c.Backends...)
}

// watchVolumes has volumes served that have clients, and from now on. Guests
// that come back find them, unless their backend is away.
func (a *Agent) watchVolumes(ctx context.Context) {
	soon, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var g sync.WaitGroup
	for _, b := range a.backends {
		g.Go(func() { b.Watch(soon) })
	}
	g.Wait()
	for _, b := range a.backends {
		b.Start(ctx)
	}
}

// volumeRun is the folder of volumes' sockets. A socket's path has 107 bytes.
func volumeRun(dataDir string) string {
	if run := filepath.Join(dataDir, "run"); len(run) <= 50 {
		return run
	}
	sum := sha256.Sum256([]byte(dataDir))
	return "/run/kumoi-volumes-" + hex.EncodeToString(sum[:6])
}

// EndVolumes ends the storage daemons that outlive the agent.
func EndVolumes(ctx context.Context, dataDir string) error {
	return volume.EndAll(ctx, volumeRun(dataDir))
}

// volume is an attached volume as a disk. Its serial is how a guest finds it
// again under /dev/disk/by-id.
func (s *server) volume(v hostapi.Volume) hypervisor.Disk {
	return hypervisor.Disk{
		Format: "raw", Socket: s.sockets.Socket(v.AttachmentID), Export: v.Connection.Export, Serial: v.ID,
		ReadOnly: v.Connection.ReadOnly, Shareable: v.Shareable, Direct: true,
	}
}

const attachmentsName = "attachments.json"

// attachments are those that were ever connected for the server and not
// disconnected since.
func (s *server) attachments() (list []string, err error) {
	err = loadJSON(s.path(attachmentsName), &list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return list, err
}

// connectVolumes makes the server's volumes reachable at their sockets.
func (a *Agent) connectVolumes(ctx context.Context, s *server, spec *hostapi.ServerSpec) error {
	list, err := s.attachments()
	if err != nil {
		return err
	}
	known := len(list)
	for _, v := range spec.Volumes {
		if !slices.Contains(list, v.AttachmentID) {
			list = append(list, v.AttachmentID)
		}
	}
	if len(list) > known {
		if err := saveJSON(s.path(attachmentsName), list, true); err != nil {
			return err
		}
	}
	for _, v := range spec.Volumes {
		if err := a.sockets.Connect(ctx, v.AttachmentID, v.Connection, int64(v.SizeGiB)<<30); err != nil {
			return fmt.Errorf("connect volume %s: %w", v.ID, err)
		}
	}
	return nil
}

// disconnectVolumes ends what the spec does not want any more, after the guest
// has let go of it. No spec wants nothing.
func (a *Agent) disconnectVolumes(ctx context.Context, s *server, spec *hostapi.ServerSpec) error {
	list, err := s.attachments()
	if err != nil || len(list) == 0 {
		return err
	}
	var keep []string
	for _, attachment := range list {
		if spec != nil && slices.ContainsFunc(spec.Volumes, func(v hostapi.Volume) bool { return v.AttachmentID == attachment }) {
			keep = append(keep, attachment)
		} else if err := a.sockets.Disconnect(ctx, attachment); err != nil {
			return fmt.Errorf("disconnect attachment %s: %w", attachment, err)
		}
	}
	if len(keep) == len(list) {
		return nil
	}
	return saveJSON(s.path(attachmentsName), keep, true)
}

// tendEvery is how often guests are looked after that have volumes.
const tendEvery = time.Second

// tendVolumes keeps volumes connected and lets guests go on that wait for one.
// A guest whose volume was away asks for it only now and then by itself.
func (a *Agent) tendVolumes(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var g errgroup.Group
		g.SetLimit(8)
		for _, s := range a.all() {
			if spec := s.current(); spec != nil && len(spec.Volumes) > 0 && active(spec.Power) && !s.busy() {
				g.Go(func() error {
					if err := a.tend(ctx, s); err != nil && ctx.Err() == nil {
						a.log.WarnContext(ctx, "volumes of a server not reached", "server", s.id, "error", err)
					}
					return nil
				})
			}
		}
		_ = g.Wait()
	}
}

func (a *Agent) tend(ctx context.Context, s *server) error {
	ctx, end, err := s.begin(ctx, 0)
	if err != nil {
		return err
	}
	defer end()
	spec := s.current()
	if spec == nil {
		return nil
	}
	g, err := a.hv.Guest(ctx, s.id)
	if err != nil || !active(g.Power) {
		return nil // there is none to be looked after
	}
	for _, v := range spec.Volumes {
		if err := a.sockets.Connect(ctx, v.AttachmentID, v.Connection, 0); err != nil {
			return err
		}
	}
	if g.Why == hypervisor.WhyStalled && spec.Power == hostapi.PowerRunning {
		return a.hv.Resume(ctx, s.id)
	}
	return nil
}
