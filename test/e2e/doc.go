// Package e2e walks a whole cloud with real QEMU, libvirt and OVN, through the
// stock client, in a network namespace that run.sh makes. Its tests carry the
// build tag e2e; "make e2e" runs them.
package e2e
