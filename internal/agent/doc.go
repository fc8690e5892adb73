// Package agent is what runs on a host. It makes servers what the control
// plane says they should be, and reports what they are.
//
// Its main verb is ensure: bring this server to the state of this spec. Ensure
// may be repeated at any time and after any crash, because each of its parts
// first looks at what is there:
//
//	spec       servers/ID/spec.json    what should be, complete
//	disks      servers/ID/root-N       named by the rebuild that made them
//	domain     hypervisor              marked with the reboots it has seen
//	network    vif, metadata           derived from the spec
//
// Nothing of importance is in memory only. A restarted agent finds its specs
// on disk and its guests in the hypervisor, and goes on. After a reboot of the
// host it starts the guests again that ran before, without being told.
//
// Work on one server is done one piece at a time. A newer spec, or a removal,
// ends the work on an older one that is still waiting for something, such as a
// guest that does not shut down.
//
// What a host observes, it alone knows: every report carries a sequence number
// that only ever grows, so the control plane can tell old news from new.
package agent
