// Package hoststack starts, adopts and supervises the programs Kumoi builds on:
// Open vSwitch, OVN's databases, northd, ovn-controller, libvirtd and virtlogd.
//
// Everything it starts keeps its sockets, databases, pidfiles and logs below one
// data directory, so it never meets another user of the same machine, and runs in
// a session of its own, so it outlives Kumoi: stopping, killing or upgrading the
// control plane does not touch a guest or a flow. The next Up finds the running
// daemons by their pidfiles, verifies that each pid really is that program with
// that pidfile on its command line, and adopts it.
//
// Where systemd already runs one of these, its standard socket is used instead and
// the daemon is left alone. ovn-controller and libvirtd of the system are used only
// together with the system's Open vSwitch: both talk to the switch on their own,
// through its standard socket.
//
//	central: ovnnb ─┐
//	         ovnsb ─┴─ northd
//	host:    ovsdb ─── vswitchd ─── ovn-controller     virtlogd ─── libvirtd ─── guests
//
// libvirt's directories are fixed when it is built. Its daemons are therefore
// started in a private mount namespace in which the data directory's
// libvirt/{run,lib,etc,log,cache} lie over /run/libvirt and its siblings. A
// restarted libvirtd gets a new namespace with the same binds, finds its guests'
// state there and takes them back.
//
// A watcher restarts what dies, with a growing pause, and sees that the outside
// bridge keeps its address.
package hoststack
