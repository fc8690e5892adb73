// Package prepare makes a disk that was lived in fit to be an image: what
// belongs to one machine only (its id, its keys, its logs, its leases) goes, so
// that every server made from the image gets its own.
//
// Plan lists what would change, Apply changes it. Both work on a Guest: the
// file systems of a disk image through libguestfs' tools, or a folder.
package prepare

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Guest is the file tree of a guest. Paths are absolute within it.
type Guest interface {
	// Glob lists the paths that match a pattern of path.Match.
	Glob(ctx context.Context, pattern string) ([]string, error)
	// Remove removes files, and folders with all that is in them.
	Remove(ctx context.Context, paths []string) error
	// Empty makes files have no content but stay.
	Empty(ctx context.Context, paths []string) error
}

// Operation is one kind of cleaning.
type Operation struct {
	Name   string
	What   string
	Remove []string // patterns of what goes
	Empty  []string // patterns of what stays without content
}

// Operations are all kinds of cleaning, as they are done by default.
func Operations() []Operation {
	return []Operation{
		{
			Name: "machine-id", What: "the machine's id; a new one is made at the first start",
			Empty: []string{"/etc/machine-id"}, Remove: []string{"/var/lib/dbus/machine-id"},
		},
		{
			Name: "ssh-host-keys", What: "the host's ssh keys; new ones are made at the first start",
			Remove: []string{"/etc/ssh/ssh_host_*_key", "/etc/ssh/ssh_host_*_key.pub", "/etc/dropbear/dropbear_*_host_key"},
		},
		{
			Name: "ssh-user-keys", What: "keys and known hosts of users",
			Remove: []string{"/root/.ssh/authorized_keys", "/root/.ssh/known_hosts", "/root/.ssh/id_*", "/home/*/.ssh/authorized_keys", "/home/*/.ssh/known_hosts", "/home/*/.ssh/id_*"},
		},
		{
			Name: "logs", What: "logs of the past",
			Remove: []string{"/var/log/journal/*", "/var/log/*.gz", "/var/log/*.[0-9]", "/var/log/*.old", "/var/log/*/*.gz", "/var/log/*/*.[0-9]", "/var/log/installer", "/var/log/anaconda"},
			Empty:  []string{"/var/log/*.log", "/var/log/*/*.log", "/var/log/syslog", "/var/log/messages", "/var/log/secure", "/var/log/wtmp", "/var/log/btmp", "/var/log/lastlog", "/var/log/faillog"},
		},
		{
			Name: "leases", What: "addresses that were leased",
			Remove: []string{"/var/lib/dhcp/*", "/var/lib/dhclient/*", "/var/lib/dhcpcd/*", "/var/lib/NetworkManager/*.lease", "/var/lib/systemd/network/*", "/run/systemd/netif/leases/*"},
		},
		{
			Name: "network-names", What: "names tied to the network cards of one machine",
			Remove: []string{"/etc/udev/rules.d/70-persistent-net.rules", "/etc/udev/rules.d/75-persistent-net-generator.rules", "/etc/udev/rules.d/70-persistent-cd.rules"},
		},
		{
			Name: "cloud-init", What: "what cloud-init remembers of its last machine",
			Remove: []string{"/var/lib/cloud/*", "/var/log/cloud-init*.log", "/etc/netplan/50-cloud-init.yaml", "/etc/network/interfaces.d/50-cloud-init"},
		},
		{
			Name: "random-seed", What: "the seed of random numbers, which must not be the same twice",
			Remove: []string{"/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed", "/var/lib/random-seed", "/boot/efi/loader/random-seed", "/var/lib/systemd/credential.secret"},
		},
		{
			Name: "history", What: "what was typed",
			Remove: []string{"/root/.bash_history", "/home/*/.bash_history", "/root/.viminfo", "/home/*/.viminfo", "/root/.lesshst", "/home/*/.lesshst"},
		},
		{
			Name: "packages", What: "downloaded packages",
			Remove: []string{"/var/cache/apt/archives/*.deb", "/var/cache/apt/*.bin", "/var/cache/dnf/*", "/var/cache/yum/*"},
		},
		{
			Name: "temporary", What: "temporary files and dumps of crashes",
			Remove: []string{"/tmp/*", "/tmp/.[!.]*", "/var/tmp/*", "/var/crash/*", "/var/lib/systemd/coredump/*"},
		},
		{Name: "mail", What: "mail and jobs that wait", Remove: []string{"/var/spool/mail/*", "/var/mail/*", "/var/spool/cron/atjobs/*"}},
	}
}

// Change is what one operation does to a guest.
type Change struct {
	Operation Operation
	Remove    []string
	Empty     []string
}

// String tells the change in one line.
func (c Change) String() string {
	n := len(c.Remove) + len(c.Empty)
	return fmt.Sprintf("%-14s %4d  %s", c.Operation.Name, n, c.Operation.What)
}

// Plan lists what would change, operations that find nothing left out. skip
// names operations not to do.
func Plan(ctx context.Context, g Guest, skip ...string) ([]Change, error) {
	var out []Change
	known := map[string]bool{}
	for _, op := range Operations() {
		known[op.Name] = true
		if slices.Contains(skip, op.Name) {
			continue
		}
		c := Change{Operation: op}
		var err error
		if c.Remove, err = globs(ctx, g, op.Remove); err != nil {
			return nil, err
		}
		if c.Empty, err = globs(ctx, g, op.Empty); err != nil {
			return nil, err
		}
		c.Empty = slices.DeleteFunc(c.Empty, func(p string) bool { return slices.Contains(c.Remove, p) })
		if len(c.Remove)+len(c.Empty) > 0 {
			out = append(out, c)
		}
	}
	for _, name := range skip {
		if !known[name] {
			return nil, fmt.Errorf("there is no operation %q", name)
		}
	}
	return out, nil
}

func globs(ctx context.Context, g Guest, patterns []string) ([]string, error) {
	var out []string
	for _, p := range patterns {
		found, err := g.Glob(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("look for %s: %w", p, err)
		}
		out = append(out, found...)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	// What lies in a folder that goes need not be named too.
	return slices.DeleteFunc(slices.Clone(out), func(p string) bool {
		return slices.ContainsFunc(out, func(q string) bool { return p != q && strings.HasPrefix(p, q+"/") })
	}), nil
}

// Apply does the changes.
func Apply(ctx context.Context, g Guest, changes []Change) error {
	for _, c := range changes {
		if len(c.Remove) > 0 {
			if err := g.Remove(ctx, c.Remove); err != nil {
				return fmt.Errorf("%s: %w", c.Operation.Name, err)
			}
		}
		if len(c.Empty) > 0 {
			if err := g.Empty(ctx, c.Empty); err != nil {
				return fmt.Errorf("%s: %w", c.Operation.Name, err)
			}
		}
	}
	return nil
}
