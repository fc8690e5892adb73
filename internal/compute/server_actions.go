package compute

// rule of an action: in which VM states it may begin, and which policy allows it.
type actionRule struct {
	policy string
	from   []VMState
	// busy actions may begin while another task is at work.
	busy bool
	// unlocked actions ignore the owner's lock.
	unlocked bool
}

var allStates = []VMState{
	VMBuilding, VMActive, VMStopped, VMPaused, VMSuspended, VMRescued, VMResized, VMSoftDeleted, VMError,
	VMShelved, VMShelvedOffloaded,
}

// actions is the table of what may be done when. The names are those of the
// history; error messages use them as Nova does.
var actions = map[string]actionRule{
	"start":            {policy: "servers:start", from: []VMState{VMStopped}},
	"stop":             {policy: "servers:stop", from: []VMState{VMActive, VMError}},
	"reboot":           {policy: "servers:reboot", from: []VMState{VMActive}},
	"reboot_hard":      {policy: "servers:reboot", from: []VMState{VMActive, VMStopped, VMPaused, VMSuspended, VMError}},
	"pause":            {policy: "os-pause-server:pause", from: []VMState{VMActive}},
	"unpause":          {policy: "os-pause-server:unpause", from: []VMState{VMPaused}},
	"suspend":          {policy: "os-suspend-server:suspend", from: []VMState{VMActive}},
	"resume":           {policy: "os-suspend-server:resume", from: []VMState{VMSuspended}},
	"rebuild":          {policy: "servers:rebuild", from: []VMState{VMActive, VMStopped, VMError}},
	"createImage":      {policy: "servers:create_image", from: []VMState{VMActive, VMStopped, VMPaused, VMSuspended}},
	"createBackup":     {policy: "os-create-backup", from: []VMState{VMActive, VMStopped, VMPaused, VMSuspended}},
	"resize":           {policy: "servers:resize", from: []VMState{VMActive, VMStopped}},
	"migrate":          {policy: "os-migrate-server:migrate", from: []VMState{VMActive, VMStopped}},
	"live-migration":   {policy: "os-migrate-server:migrate_live", from: []VMState{VMActive, VMPaused}},
	"evacuate":         {policy: "os-evacuate", from: []VMState{VMActive, VMStopped, VMError}},
	"confirmResize":    {policy: "servers:confirm_resize", from: []VMState{VMResized}},
	"revertResize":     {policy: "servers:revert_resize", from: []VMState{VMResized}},
	"rescue":           {policy: "os-rescue", from: []VMState{VMActive, VMStopped, VMError}},
	"unrescue":         {policy: "os-unrescue", from: []VMState{VMRescued}},
	"shelve":           {policy: "os-shelve:shelve", from: []VMState{VMActive, VMStopped, VMPaused, VMSuspended}},
	"shelveOffload":    {policy: "os-shelve:shelve_offload", from: []VMState{VMShelved}},
	"unshelve":         {policy: "os-shelve:unshelve", from: []VMState{VMShelved, VMShelvedOffloaded}},
	"lock":             {policy: "os-lock-server:lock", from: allStates, busy: true, unlocked: true},
	"unlock":           {policy: "os-lock-server:unlock", from: allStates, busy: true, unlocked: true},
	"delete":           {policy: "servers:delete", from: allStates, busy: true},
	"force_delete":     {policy: "os-deferred-delete:force", from: allStates, busy: true},
	"restore":          {policy: "os-deferred-delete:restore", from: []VMState{VMSoftDeleted}},
	"attach_interface": {policy: "os-attach-interfaces:create", from: []VMState{VMActive, VMPaused, VMStopped}},
	"detach_interface": {policy: "os-attach-interfaces:delete", from: []VMState{VMActive, VMPaused, VMStopped}},
	"attach_volume": {policy: "os-volumes-attachments:create", from: []VMState{
		VMActive, VMPaused, VMStopped, VMResized, VMSoftDeleted, VMSuspended, VMShelved, VMShelvedOffloaded,
	}},
	"detach_volume": {policy: "os-volumes-attachments:delete", from: []VMState{
		VMActive, VMPaused, VMStopped, VMResized, VMSuspended, VMShelved, VMShelvedOffloaded,
	}},
	"swap_volume":              {policy: "os-volumes-attachments:swap", from: []VMState{VMActive, VMPaused, VMResized}},
	"update_instance_metadata": {policy: "server-metadata:update", from: []VMState{VMActive, VMPaused, VMSuspended, VMStopped}},
	"delete_instance_metadata": {policy: "server-metadata:delete", from: []VMState{VMActive, VMPaused, VMSuspended, VMStopped}},
	"set_admin_password":       {policy: "os-admin-password", from: []VMState{VMActive}},
	"trigger_crash_dump":       {policy: "servers:trigger_crash_dump", from: []VMState{VMActive, VMPaused, VMRescued, VMResized, VMError}},
	"get_console_output":       {policy: "os-console-output", from: allStates, busy: true, unlocked: true},
	"add_tag":                  {policy: "os-server-tags:update", from: []VMState{VMActive, VMPaused, VMSuspended, VMStopped}, busy: true, unlocked: true},
	"reset_state":              {policy: "os-admin-actions:reset_state", from: allStates, busy: true, unlocked: true},
	"os-resetState":            {policy: "os-admin-actions:reset_state", from: allStates, busy: true, unlocked: true},
}

// spoken are the words for actions whose name in the history differs.
var spoken = map[string]string{"reboot_hard": "reboot", "force_delete": "forceDelete"}

// policyOf is the rule that allows an action.
func policyOf(action string) string { return actions[action].policy }
