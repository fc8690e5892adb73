// Package group keeps groups: volumes of one project and one back end that are
// snapshotted, copied and deleted together, group types, which an operator makes,
// and group snapshots.
//
// # States
//
//	creating → available → deleting → gone
//	creating → error; deleting → error_deleting
//
// A group or a group snapshot that is being made or deleted waits for its volumes
// or snapshots, each of which has a saga of its own; Settle ends the waiting.
package group

import (
	"time"

	"kumoi/internal/kernel/errs"
)

// Statuses of groups and group snapshots.
const (
	Creating      = "creating"
	Available     = "available"
	Deleting      = "deleting"
	Error         = "error"
	ErrorDeleting = "error_deleting"
)

// statuses are those that an administrator may set.
var statuses = []string{Error, Available, Creating, Deleting, "deleted", "updating", ErrorDeleting}

// Group is a group of volumes.
type Group struct {
	ID, ProjectID, UserID string
	Name, Description     *string
	Status                string
	Waits                 bool // for its volumes, until Settle
	Zone                  string
	Host                  string // HOST@BACKEND#POOL; "" if no back end takes such volumes
	TypeID                string
	VolumeTypes           []string // ids of the types that its volumes may have
	SnapshotID            string   // what it was made of
	SourceID              string
	Replication           string // disabled
	CreatedAt, UpdatedAt  time.Time
}

// Snapshot is a snapshot of every volume of a group.
type Snapshot struct {
	ID, ProjectID, UserID string
	Name, Description     *string
	Status                string
	Waits                 bool // for its snapshots, until Settle
	GroupID, TypeID       string
	CreatedAt, UpdatedAt  time.Time
}

// Type is a group type.
type Type struct {
	ID, Name             string
	Description          *string
	Public               bool
	Specs                map[string]string
	CreatedAt, UpdatedAt time.Time
}

// Group specs with a meaning of their own.
const (
	specConsistent  = "consistent_group_snapshot_enabled"
	specReplication = "group_replication_enabled"
	specConsistentR = "consistent_group_replication_enabled"
	isTrue          = "<is> True"
)

// replicated tells whether groups of the type are to be replicated.
func (t *Type) replicated() bool {
	return t.Specs[specReplication] == isTrue || t.Specs[specConsistentR] == isTrue
}

// unserved tells whether no back end of this cloud can keep the type's promise.
func (t *Type) unserved() bool { return t.Specs[specConsistent] == isTrue || t.replicated() }

func notFound(id string) error { return errs.New(errs.NotFound, "Group %s could not be found.", id) }

func snapshotNotFound(id string) error {
	return errs.New(errs.NotFound, "GroupSnapshot %s could not be found.", id)
}

func invalid(format string, args ...any) error {
	e := errs.New(errs.Invalid, format, args...)
	e.Msg = "Invalid Group: " + e.Msg
	return e
}

func invalidVolume(format string, args ...any) error {
	e := errs.New(errs.Invalid, format, args...)
	e.Msg = "Invalid volume: " + e.Msg
	return e
}
