package doctor

import (
	"context"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
)

const installFix = "Run packaging/install-deps.sh, or apt-get install "

// program is a tool that Kumoi runs, and Debian's package that brings it.
type program struct {
	name, pkg string
	version   string // the option that prints the version; empty: not worth asking
}

// QEMUBinary is the emulator of this machine's own architecture.
func QEMUBinary() string {
	if runtime.GOARCH == "arm64" {
		return "qemu-system-aarch64"
	}
	return "qemu-system-x86_64"
}

func programs() []program {
	qemuPackage := "qemu-system-x86"
	if runtime.GOARCH == "arm64" {
		qemuPackage = "qemu-system-arm"
	}
	return []program{
		{QEMUBinary(), qemuPackage, "--version"},
		{"qemu-img", "qemu-utils", ""},
		{"mkfs.ext4", "e2fsprogs", ""},
		{"mkfs.vfat", "dosfstools", ""},
		{"libvirtd", "libvirt-daemon", "--version"},
		{"virtlogd", "libvirt-daemon", ""},
		{"ovs-vswitchd", "openvswitch-switch", "--version"},
		{"ovsdb-server", "openvswitch-switch", ""},
		{"ovs-vsctl", "openvswitch-switch", ""},
		{"ovn-northd", "ovn-central", "--version"},
		{"ovn-controller", "ovn-host", ""},
		{"ethtool", "ethtool", ""},
		{"nft", "nftables", ""},
		{"ip", "iproute2", ""},
		{"unshare", "util-linux", ""},
		{"mount", "mount", ""},
		{"busybox", "busybox-static", ""},
	}
}

// checkPackages looks for every program, and asks the four that matter most which
// version they are.
func checkPackages(ctx context.Context, _ Options) Check {
	all := programs()
	versions := make([]string, len(all))
	missing := make([]bool, len(all))
	var wg sync.WaitGroup
	for i, p := range all {
		wg.Go(func() {
			path, err := exec.LookPath(p.name)
			if err != nil {
				missing[i] = true
				return
			}
			if p.version != "" {
				versions[i] = versionOf(ctx, path, p.version)
			}
		})
	}
	wg.Wait()
	var absent, packages, found []string
	for i, p := range all {
		switch {
		case missing[i]:
			absent = append(absent, p.name)
			if !slices.Contains(packages, p.pkg) {
				packages = append(packages, p.pkg)
			}
		case versions[i] != "":
			found = append(found, p.name+" "+versions[i])
		}
	}
	if len(absent) > 0 {
		return fail(installFix+strings.Join(packages, " ")+".", "missing: %s", strings.Join(absent, ", "))
	}
	return ok("%s", strings.Join(found, ", "))
}

// versionOf finds the first word that begins with a digit in what a program says of
// itself.
func versionOf(ctx context.Context, path, option string) string {
	out, _ := exec.CommandContext(ctx, path, option).Output()
	for _, word := range strings.Fields(string(out)) {
		if word[0] >= '0' && word[0] <= '9' {
			return strings.Trim(word, ",()")
		}
	}
	return "of unknown version"
}
