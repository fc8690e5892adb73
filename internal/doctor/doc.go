// Package doctor looks at a machine before and after Kumoi runs on it, and says in
// one sentence for each thing that is wrong what to do about it.
//
// It changes nothing that lasts. What can only be known by trying is tried: a tiny
// guest is booted under KVM, a network namespace is made, a port is listened on.
package doctor
