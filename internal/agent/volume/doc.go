// Package volume keeps volumes in files of the host, in an NFS share, or in a
// Ceph pool, and brings them to guests.
//
// Backends differ in their store: where bytes and records lie, and how a daemon
// opens them. Folders of a share (folders.go, share.go, nfs.go) and images of a
// pool (images.go) are the two; the rest of the package is the same for all.
//
// # Files
//
// A volume is a folder, and the folder is the truth: there is no journal.
//
//	volumes/ID/volume.json  the record: size, layers, clients
//	volumes/ID/layer-N      the bytes: the newest layer is written to, those
//	                        below it never again; a snapshot is a layer
//	volumes/ID/base         the image that the lowest layer is based on
//
// What is made appears by renaming: a folder ".new-ID", a record beside the old
// one. What goes is renamed to ".del-…" first. A clone has hard links to the
// layers of its source, so that neither needs the other. A deleted snapshot's
// layer is merged into the one above by copying upwards: at each moment the
// chain shows the same bytes, whenever the host dies. Formats and chains are
// those of the record; no tool looks into a file to find out.
//
// # Storage daemons
//
// While a volume has clients, or something is done to its bytes, a storage
// daemon of QEMU has it open, and all work goes through that one. It outlives
// the agent and is found again by its monitor's socket. It writes through: when
// a client's write is acknowledged, a killed daemon cannot lose it.
//
// A client on the same host opens the daemon's Unix socket. For one on another
// host a gateway, a second daemon, offers that socket over TLS with a key of
// the client's own; the client's host runs a relay, which connects there again
// and again and offers the volume on a Unix socket. Ending the gateway shuts
// the client out, whatever its host does.
package volume
