package hoststack

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// libvirtd keeps what it learnt about QEMU only as long as the processor looks the
// same. On some machines what a processor says of itself depends on the core that
// asks, and then every other start of libvirtd spends seconds on examining QEMU
// again. So it always starts on the first core, and is let go when it is ready.

// firstCPU is the lowest of the processors that we may use.
func firstCPU() (int, bool) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, false
	}
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			return cpu, true
		}
	}
	return 0, false
}

// unpin gives all threads of a process the processors that we may use ourselves.
// Threads that start meanwhile are caught by another round.
func unpin(pid int) error {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return err
	}
	done := map[string]bool{}
	for range 10 {
		tasks, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
		if err != nil {
			return err
		}
		fresh := false
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err != nil || done[t.Name()] {
				continue
			}
			fresh, done[t.Name()] = true, true
			_ = unix.SchedSetaffinity(tid, &all) // a thread that has ended needs none
		}
		if !fresh {
			break
		}
	}
	return nil
}
