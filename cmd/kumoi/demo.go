package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"

	"kumoi/internal/app"
	"kumoi/internal/demo"
	"kumoi/internal/kernel/service"
)

type demoCmd struct {
	cloudFlags
	GuestImage string `type:"path" default:"build/kumoi-guest.qcow2" help:"A bootable qcow2; make guest-image builds a small one."`
	GuestUser  string `default:"kumoi" help:"The guest image's login."`
}

func (c *demoCmd) Run(ctx context.Context) error {
	creds, err := runningCloud(ctx, &c.Config)
	if err != nil {
		return err
	}
	if c.OutsideCIDR == "" {
		return errors.New("demo: the cloud has no outside network (--outside-cidr is empty)")
	}
	outside, err := netip.ParsePrefix(c.OutsideCIDR)
	if err != nil {
		return err
	}
	gateway, first, last := app.OutsideRange(outside)
	fmt.Println("Through the API at", c.AuthURL())
	r, err := demo.Run(ctx, demo.Config{
		Admin: *creds, ImageFile: c.GuestImage,
		OutsideCIDR: c.OutsideCIDR, OutsideGW: gateway.String(), OutsideFirst: first.String(), OutsideLast: last.String(),
		Dir: filepath.Join(c.DataDir, "demo"), User: c.GuestUser, Out: os.Stdout,
	})
	if err != nil {
		return withReason(ctx, c.DataDir, r, err)
	}
	exe, err := os.Executable()
	if err != nil {
		exe = "kumoi"
	}
	fmt.Printf(`
Server %s runs; the whole path took %.1fs.

  log into the guest   ssh -i %s -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null %s@%s
  as the user "demo"   source %s        (or OS_CLIENT_CONFIG_FILE=%s OS_CLOUD=kumoi-demo)
  as administrator     source <(%s openrc --data-dir %s)
  then                 openstack server list
  the API              %s
  what runs            %s status --data-dir %s
  why it is there      %s explain server %s --data-dir %s
  stop, keep the data  %s down --data-dir %s
  remove every trace   %s down --purge --data-dir %s
`, r.ServerID, r.Took.Seconds(), r.KeyFile, r.Login, r.FloatingIP, r.OpenRC, r.CloudsYAML,
		exe, c.DataDir, c.AuthURL(), exe, c.DataDir, exe, r.ServerID, c.DataDir, exe, c.DataDir, exe, c.DataDir)
	return nil
}

// withReason adds what the cloud knows of why a walk failed: the server's fault
// as its host said it, and the command that tells the rest.
func withReason(ctx context.Context, dir string, r *demo.Result, err error) error {
	if r == nil || r.ServerID == "" {
		return fmt.Errorf("%w\nkumoi status --data-dir %s shows what runs", err, dir)
	}
	var e service.Explanation
	asked := app.AdminClientOf(dir).Call(ctx, http.MethodGet, "/explain/server/"+r.ServerID, nil, &e)
	if asked == nil && e.Reason != "" {
		err = fmt.Errorf("%w\nThe reason: %s", err, e.Reason)
	}
	return fmt.Errorf("%w\nkumoi explain server %s --data-dir %s tells what was done, and where", err, r.ServerID, dir)
}
