// Package demo walks the whole path of a cloud through its public API alone,
// with an SDK that is not ours: project and user, image, networks, server,
// floating IP, and a command run inside the guest. What exists is used again.
package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"kumoi/internal/kernel/ids"
)

// Config says where the cloud is and what to put into it.
type Config struct {
	Admin        Credentials
	ImageFile    string // a bootable qcow2
	OutsideCIDR  string // of the outside network, "172.24.4.0/24"
	OutsideFirst string // first and last address to give out as floating IP
	OutsideLast  string
	OutsideGW    string
	Dir          string // where the key pair and the user's credentials are kept
	User         string // login of the guest image
	Out          io.Writer
}

// Result is what the walk made.
type Result struct {
	ServerID, FloatingIP, FixedIP string
	KeyFile, OpenRC, CloudsYAML   string
	Login, Said                   string // the guest's user, and what the command printed
	Took                          time.Duration
}

type walk struct {
	Config
	ctx    context.Context //nolint:containedctx // a walk lives as long as its one call
	region gophercloud.EndpointOpts
	step   int
	start  time.Time
	began  time.Time

	password                 string // of the demo user
	projectID                string
	imageID, flavorID        string
	outsideID, networkID     string
	subnetID                 string
	groupID, serverID        string
	fixedIP, portID, address string
}

// Steps is how many lines of progress a walk prints.
const Steps = 12

// Run walks the path. It stops at the first step that fails and says which; the
// result then names the server, if it came so far.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	w := &walk{Config: cfg, ctx: ctx, region: gophercloud.EndpointOpts{Region: cfg.Admin.Region}, start: time.Now()}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if w.password, err = w.secret("password"); err != nil {
		return nil, err
	}
	admin, err := cfg.Admin.Client(ctx)
	if err != nil {
		return nil, fmt.Errorf("log in as admin at %s: %w", cfg.Admin.AuthURL, err)
	}
	if err := w.provide(admin); err != nil {
		return nil, err
	}
	user, err := w.login("demo", w.password, "demo")
	if err != nil {
		return nil, fmt.Errorf("log in as demo: %w", err)
	}
	if err := w.use(user); err != nil {
		return &Result{ServerID: w.serverID}, err
	}
	said, err := w.visit()
	if err != nil {
		return &Result{ServerID: w.serverID}, err
	}
	rc, clouds, err := w.credentials()
	if err != nil {
		return nil, err
	}
	return &Result{
		ServerID: w.serverID, FloatingIP: w.address, FixedIP: w.fixedIP, KeyFile: w.keyFile(),
		OpenRC: rc, CloudsYAML: clouds, Login: w.User, Said: said, Took: time.Since(w.start),
	}, nil
}

// provide is the operator's part.
func (w *walk) provide(c *gophercloud.ProviderClient) error {
	return w.steps(
		do{"project demo and its user demo", func() (string, error) { return w.projectAndUser(c) }},
		do{"image kumoi-guest", func() (string, error) { return w.image(c) }},
		do{"flavor tiny", func() (string, error) { return w.flavor(c) }},
		do{"outside network", func() (string, error) { return w.outside(c) }},
	)
}

// use is the ordinary user's part.
func (w *walk) use(c *gophercloud.ProviderClient) error {
	return w.steps(
		do{"network and subnet", func() (string, error) { return w.network(c) }},
		do{"router to the outside", func() (string, error) { return w.router(c) }},
		do{"security group for ssh and ping", func() (string, error) { return w.securityGroup(c) }},
		do{"key pair", func() (string, error) { return w.keyPair(c) }},
		do{"server", func() (string, error) { return w.server(c) }},
		do{"server is running", func() (string, error) { return w.running(c) }},
		do{"floating IP", func() (string, error) { return w.floatingIP(c) }},
	)
}

type do struct {
	what string
	run  func() (detail string, err error)
}

func (w *walk) steps(all ...do) error {
	for _, d := range all {
		w.begin(d.what)
		detail, err := d.run()
		if err != nil {
			fmt.Fprintln(w.Out, "failed")
			return fmt.Errorf("%s: %w", d.what, err)
		}
		w.end(detail)
	}
	return nil
}

func (w *walk) begin(what string) {
	w.step++
	w.began = time.Now()
	fmt.Fprintf(w.Out, "[%2d/%d] %-34s ", w.step, Steps, what)
}

func (w *walk) end(detail string) {
	fmt.Fprintf(w.Out, "%-46s %6.2fs\n", detail, time.Since(w.began).Seconds())
}

func (w *walk) login(user, password, project string) (*gophercloud.ProviderClient, error) {
	return w.of(user, password, project).Client(w.ctx)
}

// of is what one of the demo's users logs in with.
func (w *walk) of(user, password, project string) Credentials {
	c := w.Admin
	c.User, c.Password, c.Project = user, password, project
	return c
}

// secret reads a generated secret of the demo, or makes it.
func (w *walk) secret(name string) (string, error) {
	path := filepath.Join(w.Dir, name)
	if b, err := os.ReadFile(path); err == nil {
		return string(b), nil
	}
	s := ids.NewHex()
	return s, os.WriteFile(path, []byte(s), 0o600)
}

// until polls f every step until it is done, failed, or the patience is at its end.
func (w *walk) until(what string, patience, every time.Duration, f func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		done, err := f()
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not after %s", what, patience)
		case <-tick.C:
		}
	}
}
