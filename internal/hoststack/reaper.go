package hoststack

import (
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

// reapScript makes itself the parent of all orphans below it, starts the rest of its
// command line and collects whatever ends, until nothing is left.
const reapScript = `my ($prctl, $subreaper) = splice @ARGV, 0, 2;
syscall($prctl + 0, $subreaper + 0, 1, 0, 0, 0);
my $main = fork // exit 1;
if (!$main) { exec @ARGV; exit 127 }
my $status = 0;
while ((my $pid = wait) != -1) { $status = $? >> 8 if $pid == $main }
exit $status;`

// reaper is a command that runs another one below a process that collects the dead
// at once. libvirt starts each QEMU as an orphan, and after ending one waits until
// its process is gone, up to forty seconds. Process 1 should see to that, but in a
// container it may be any program, and some systems' does so only now and then.
//
// It is Perl, which every Debian has, because it stays as long as the guests do:
// longer than the Kumoi that started it, in a tenth of the memory.
func reaper() []string {
	perl, err := exec.LookPath("perl")
	if err != nil {
		return nil // process 1 has to do
	}
	return []string{perl, "-e", reapScript, strconv.Itoa(unix.SYS_PRCTL), strconv.Itoa(unix.PR_SET_CHILD_SUBREAPER)}
}
