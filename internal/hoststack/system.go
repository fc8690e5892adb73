package hoststack

import (
	"context"
	"os"
	"os/exec"
	"strings"
)

// Names of the components, as Health reports them.
const (
	ovsdbServer   = "ovsdb-server"
	vswitchd      = "ovs-vswitchd"
	ovnNB         = "ovn-nb"
	ovnSB         = "ovn-sb"
	ovnNorthd     = "ovn-northd"
	ovnController = "ovn-controller"
	virtlogd      = "virtlogd"
	libvirtd      = "libvirtd"
	outside       = "outside"
)

// systemUnits names the systemd units that may already run a component.
var systemUnits = []struct {
	component string
	units     []string
}{
	{ovsdbServer, []string{"ovsdb-server.service"}},
	{vswitchd, []string{"ovs-vswitchd.service"}},
	{ovnNB, []string{"ovn-ovsdb-server-nb.service"}},
	{ovnSB, []string{"ovn-ovsdb-server-sb.service"}},
	{ovnNorthd, []string{"ovn-northd.service"}},
	{ovnController, []string{"ovn-controller.service"}},
	// Both are started on demand by their sockets and may be resting.
	{virtlogd, []string{"virtlogd.service", "virtlogd.socket"}},
	{libvirtd, []string{"libvirtd.service", "libvirtd.socket"}},
}

// systemComponents asks systemd which components it runs. active answers for one
// unit. A component counts only with everything that it reaches on its own through
// standard paths: the system's ovn-controller and libvirtd know no other switch
// than the system's, and northd no other databases.
func systemComponents(active func(unit string) bool) map[string]bool {
	found := map[string]bool{}
	for _, c := range systemUnits {
		for _, unit := range c.units {
			if active(unit) {
				found[c.component] = true
				break
			}
		}
	}
	together := func(names ...string) bool {
		for _, n := range names {
			if !found[n] {
				return false
			}
		}
		return true
	}
	out := map[string]bool{}
	adopt := func(names ...string) {
		for _, n := range names {
			out[n] = true
		}
	}
	if together(ovsdbServer, vswitchd) {
		adopt(ovsdbServer, vswitchd)
		if found[ovnController] {
			adopt(ovnController)
		}
		if together(libvirtd, virtlogd) {
			adopt(libvirtd, virtlogd)
		}
	}
	if together(ovnNB, ovnSB, ovnNorthd) {
		adopt(ovnNB, ovnSB, ovnNorthd)
	}
	return out
}

// systemdActive reports whether a unit is active; on a machine that was not booted
// with systemd nothing is.
func systemdActive(ctx context.Context) func(string) bool {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return func(string) bool { return false }
	}
	if _, err := exec.LookPath("systemctl"); err != nil {
		return func(string) bool { return false }
	}
	return func(unit string) bool {
		// is-active also fails for units that are not active; its word counts.
		out, _ := exec.CommandContext(ctx, "systemctl", "is-active", unit).Output()
		return strings.TrimSpace(string(out)) == "active"
	}
}
