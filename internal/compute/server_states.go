package compute

import (
	"strings"

	"kumoi/internal/hostapi"
)

// VMState is what a server's owner was promised.
type VMState string

// The VM states, in Nova's words.
const (
	VMBuilding         VMState = "building"
	VMActive           VMState = "active"
	VMStopped          VMState = "stopped"
	VMPaused           VMState = "paused"
	VMSuspended        VMState = "suspended"
	VMRescued          VMState = "rescued"
	VMResized          VMState = "resized"
	VMSoftDeleted      VMState = "soft-delete"
	VMDeleted          VMState = "deleted"
	VMError            VMState = "error"
	VMShelved          VMState = "shelved"
	VMShelvedOffloaded VMState = "shelved_offloaded"
)

// TaskState is what is being done about a server; "" when nothing is.
type TaskState string

// The task states, in Nova's words.
const (
	TaskNone            TaskState = ""
	TaskScheduling      TaskState = "scheduling"
	TaskNetworking      TaskState = "networking"
	TaskSpawning        TaskState = "spawning"
	TaskStarting        TaskState = "powering-on"
	TaskStopping        TaskState = "powering-off"
	TaskRebooting       TaskState = "rebooting"
	TaskRebootingHard   TaskState = "rebooting_hard"
	TaskPausing         TaskState = "pausing"
	TaskUnpausing       TaskState = "unpausing"
	TaskSuspending      TaskState = "suspending"
	TaskResuming        TaskState = "resuming"
	TaskRebuilding      TaskState = "rebuilding"
	TaskRescuing        TaskState = "rescuing"
	TaskUnrescuing      TaskState = "unrescuing"
	TaskResizePrep      TaskState = "resize_prep"
	TaskResizeFinish    TaskState = "resize_finish"
	TaskResizeReverting TaskState = "resize_reverting"
	TaskSnapshotPending TaskState = "image_snapshot_pending"
	TaskSnapshot        TaskState = "image_snapshot"
	TaskBackup          TaskState = "image_backup"
	TaskUploading       TaskState = "image_uploading"
	TaskShelving        TaskState = "shelving"
	TaskOffloading      TaskState = "shelving_offloading"
	TaskUnshelving      TaskState = "unshelving"
	TaskMigrating       TaskState = "migrating"
	TaskDeleting        TaskState = "deleting"
	TaskUpdatingNICs    TaskState = "updating_interfaces"
)

// PowerState is Nova's number for what the host saw last.
type PowerState int

// The power states.
const (
	PowerUnknown   PowerState = 0
	PowerRunning   PowerState = 1
	PowerPaused    PowerState = 3
	PowerShutdown  PowerState = 4
	PowerCrashed   PowerState = 6
	PowerSuspended PowerState = 7
)

// observed turns a host's word into Nova's number.
func observed(p hostapi.Power) PowerState {
	switch p {
	case hostapi.PowerRunning:
		return PowerRunning
	case hostapi.PowerPaused:
		return PowerPaused
	case hostapi.PowerStopped:
		return PowerShutdown
	case hostapi.PowerSuspended:
		return PowerSuspended
	case hostapi.PowerCrashed:
		return PowerCrashed
	}
	return PowerUnknown
}

// Status is the word clients see, made from VM state and task state.
func (s *Server) Status() string {
	switch s.VMState {
	case VMBuilding:
		return "BUILD"
	case VMActive:
		switch s.TaskState {
		case TaskRebooting:
			return "REBOOT"
		case TaskRebootingHard:
			return "HARD_REBOOT"
		case TaskRebuilding:
			return "REBUILD"
		case TaskResizePrep, TaskResizeFinish:
			return "RESIZE"
		case TaskResizeReverting:
			return "REVERT_RESIZE"
		case TaskMigrating:
			return "MIGRATING"
		}
		return "ACTIVE"
	case VMStopped:
		switch s.TaskState {
		case TaskResizePrep, TaskResizeFinish:
			return "RESIZE"
		case TaskRebuilding:
			return "REBUILD"
		case TaskRebootingHard:
			return "HARD_REBOOT"
		case TaskRebooting:
			return "REBOOT"
		}
		return "SHUTOFF"
	case VMPaused:
		return "PAUSED"
	case VMSuspended:
		return "SUSPENDED"
	case VMRescued:
		return "RESCUE"
	case VMResized:
		if s.TaskState == TaskResizeReverting {
			return "REVERT_RESIZE"
		}
		return "VERIFY_RESIZE"
	case VMSoftDeleted:
		return "SOFT_DELETED"
	case VMDeleted:
		return "DELETED"
	case VMError:
		if s.TaskState == TaskRebuilding {
			return "REBUILD"
		}
		return "ERROR"
	case VMShelved:
		return "SHELVED"
	case VMShelvedOffloaded:
		return "SHELVED_OFFLOADED"
	}
	return "UNKNOWN"
}

// statusStates is the inverse of Status as a filter: which VM and task states
// a status word can stand for. A nil task list means any.
func statusStates(status string) (vm []VMState, tasks []TaskState, ok bool) {
	switch strings.ToUpper(status) {
	case "BUILD":
		return []VMState{VMBuilding}, nil, true
	case "ACTIVE":
		return []VMState{VMActive}, nil, true
	case "SHUTOFF", "STOPPED":
		return []VMState{VMStopped}, nil, true
	case "PAUSED":
		return []VMState{VMPaused}, nil, true
	case "SUSPENDED":
		return []VMState{VMSuspended}, nil, true
	case "RESCUE":
		return []VMState{VMRescued}, nil, true
	case "VERIFY_RESIZE":
		return []VMState{VMResized}, nil, true
	case "SOFT_DELETED":
		return []VMState{VMSoftDeleted}, nil, true
	case "DELETED":
		return []VMState{VMDeleted}, nil, true
	case "ERROR":
		return []VMState{VMError}, nil, true
	case "SHELVED":
		return []VMState{VMShelved}, nil, true
	case "SHELVED_OFFLOADED":
		return []VMState{VMShelvedOffloaded}, nil, true
	case "REBOOT":
		return []VMState{VMActive, VMStopped}, []TaskState{TaskRebooting}, true
	case "HARD_REBOOT":
		return []VMState{VMActive, VMStopped}, []TaskState{TaskRebootingHard}, true
	case "REBUILD":
		return []VMState{VMActive, VMStopped, VMError}, []TaskState{TaskRebuilding}, true
	case "RESIZE":
		return []VMState{VMActive, VMStopped}, []TaskState{TaskResizePrep, TaskResizeFinish}, true
	case "REVERT_RESIZE":
		return []VMState{VMActive, VMResized}, []TaskState{TaskResizeReverting}, true
	case "MIGRATING":
		return []VMState{VMActive}, []TaskState{TaskMigrating}, true
	case "PASSWORD":
		return []VMState{VMActive}, []TaskState{"updating_password"}, true
	case "UNKNOWN":
		return nil, nil, true
	}
	return nil, nil, false
}

// KnownStatus tells whether a word is a status of servers.
func KnownStatus(word string) bool {
	_, _, ok := statusStates(word)
	return ok
}
