// Package volume is the volume service, Cinder's part: disks that outlive
// servers, their snapshots, who is attached to them, and what is needed around.
//
// The service owns records and decides; bytes lie in the backends of hosts,
// which it reaches by hostapi.VolumeHost alone. A backend is called
// HOST@BACKEND#POOL, and a volume stays in the one that the scheduler chose
// until it is migrated.
//
// # States
//
//	creating → available ⇄ reserved, attaching, in-use, detaching
//	available → extending, uploading, backing-up, retyping, maintenance …  → available
//	available, error → deleting → gone
//	anything that fails → error, error_deleting, error_extending …
//
// A status that ends in -ing belongs to a saga or to an attachment. A saga that
// fails leaves an error status and a message for the user; each of these can be
// deleted.
//
// # What holds after a crash
//
// The record, the quota and the saga are written in the request's transaction.
// Steps name volumes by ids that exist before the first step, and hosts answer
// the same call twice in the same way.
//
// # API
//
// Cinder's v3, microversions 3.0 to 3.71.
package volume
