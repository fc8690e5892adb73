// Package disk makes the disks of guests, without a tool: an overlay is four
// clusters. What is made of them later, a copy or a larger one, package
// diskimage does in its sandbox, told by us what each file is.
package disk
