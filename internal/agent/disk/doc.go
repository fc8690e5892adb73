// Package disk reads and writes the disks of guests.
//
// What guests and their owners made is hostile until Inspect has looked at it:
// the format is known from the content, never from a name or a claim alone,
// and images that refer to other files are refused before any tool opens them.
// New disks are written here, without a tool: an overlay is four clusters.
package disk
