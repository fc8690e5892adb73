// Package nstest moves a package's tests into a network and a mount namespace of
// their own, so that switches, guests and mounts that they make meet nothing of the
// machine's, and end with them. A package with such tests says
//
//	func TestMain(m *testing.M) { nstest.Main(m) }
//
// Without root its tests are skipped, and say so.
package nstest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/vishvananda/netlink"
)

// inside marks the test binary that runs in its namespaces.
const inside = "KUMOI_TEST_INSIDE"

// Main runs the tests in new namespaces and ends the process as they end. Inside,
// loopback is up and /run/netns is a place of their own for named namespaces.
func Main(m *testing.M) {
	if os.Getenv(inside) != "" {
		if err := prepare(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	if os.Geteuid() != 0 {
		fmt.Println("skipped: needs root")
		return
	}
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	cmd := exec.Command("unshare", append([]string{"--net", "--mount", "--propagation", "private", self}, os.Args[1:]...)...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func prepare() error {
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	if out, err := exec.Command("sh", "-ec", "mkdir -p /run/netns; mount -t tmpfs netns /run/netns").CombinedOutput(); err != nil {
		return fmt.Errorf("a place for namespaces: %w: %s", err, out)
	}
	return nil
}
