package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"

	"kumoi/internal/agent/layout"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/errs"
)

// Whatever is asked of a host and cannot be given is refused: a guest that
// looks as ordered, and is not, is worse than none.

// decode reads a message of the control plane. A field that this agent does
// not know is something that it would silently leave out.
func decode(m *bus.Msg, in any) error {
	d := json.NewDecoder(bytes.NewReader(m.Data))
	d.DisallowUnknownFields()
	err := d.Decode(in)
	if err == nil {
		if _, err = d.Token(); errors.Is(err, io.EOF) {
			return nil
		}
	}
	if field, ok := strings.CutPrefix(errText(err), "json: unknown field "); ok {
		return errs.Wrap(errs.NoCapacity, err, "The host's agent does not know %s, which is asked of it; update the agent.", field)
	}
	return errs.Wrap(errs.Invalid, err, "The message on %s cannot be read.", m.Subject)
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// choices are the values of hints that we can give.
var choices = map[string][]string{
	"hw_disk_bus":      slices.Sorted(maps.Keys(layout.Buses)),
	"hw_cdrom_bus":     {"ide", "sata", "scsi", "usb"},
	"hw_vif_model":     {"e1000", "e1000e", "ne2k_pci", "pcnet", "rtl8139", "virtio", "vmxnet3"},
	"hw_video_model":   {"bochs", "cirrus", "none", "qxl", "ramfb", "vga", "virtio"},
	"hw_firmware_type": {"bios", "uefi"},
	"hw:cpu_policy":    {"shared"}, "hw_cpu_policy": {"shared"},
	"hw:mem_page_size": {"any", "small"}, "hw_mem_page_size": {"any", "small"},
	"hw:numa_nodes": {"1"}, "hw_numa_nodes": {"1"},
	"os_secure_boot": {"disabled", "optional"}, "hw:os_secure_boot": {"disabled", "optional"},
	"hw:mem_encryption": {"false", "False"}, "hw_mem_encryption": {"false", "False"},
	"hw:cpu_realtime": {"no", "false", "False"}, "hw_cpu_realtime": {"no", "false", "False"},
	"hw:locked_memory": {"false", "False"}, "hw_locked_memory": {"false", "False"},
	"hw:ephemeral_encryption": {"false", "False"}, "hw_ephemeral_encryption": {"false", "False"},
	"hw:watchdog_action": {"disabled"}, "hw_watchdog_action": {"disabled"},
	"hw:tpm_version": {}, "hw_tpm_version": {}, "hw:pmem": {},
}

// checkAsked refuses a new guest that cannot be as it is asked to be.
func checkAsked(spec *hostapi.ServerSpec) error {
	for _, name := range slices.Sorted(maps.Keys(spec.Hints)) {
		value := spec.Hints[name]
		allowed, known := choices[name]
		switch {
		case strings.HasPrefix(name, "quota:"):
			return errs.New(errs.Invalid, "This cloud's hosts cannot limit a guest by %s.", name)
		case known && len(allowed) == 0:
			return errs.New(errs.Invalid, "This cloud's hosts cannot give %s=%s.", name, value)
		case known && !slices.Contains(allowed, value):
			return errs.New(errs.Invalid, "This cloud's hosts cannot give %s=%s; they can give %s.", name, value, strings.Join(allowed, ", "))
		}
	}
	buses := []string{spec.Root.Bus}
	for _, d := range spec.Ephemeral {
		buses = append(buses, d.Bus)
	}
	if spec.Swap != nil {
		buses = append(buses, spec.Swap.Bus)
	}
	for _, v := range spec.Volumes {
		buses = append(buses, v.Bus)
	}
	for _, b := range buses {
		if b != "" && layout.Buses[b] == "" {
			return errs.New(errs.Invalid, "A disk cannot be on the bus %q.", b)
		}
	}
	for _, n := range spec.NICs {
		if n.Model != "" && !slices.Contains(choices["hw_vif_model"], n.Model) {
			return errs.New(errs.Invalid, "A NIC cannot be a %q.", n.Model)
		}
	}
	return nil
}
