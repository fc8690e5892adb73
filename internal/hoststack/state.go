package hoststack

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// state is what Kumoi changed on the machine outside its data directory and how it
// was before, so that Down can put it back.
type state struct {
	ForwardingOff string   `json:"forwarding_off,omitempty"` // the switch that was off
	MadeDirs      []string `json:"made_dirs,omitempty"`      // empty mount points made for libvirt
	Underlay      *moved   `json:"underlay,omitempty"`

	KVM *deviceAccess `json:"kvm,omitempty"` // who could open /dev/kvm
}

type deviceAccess struct {
	GID  int    `json:"gid"`
	Mode uint32 `json:"mode"`
}

// restoreKVM gives the device back to whom it belonged.
func (st state) restoreKVM() error {
	if st.KVM == nil {
		return nil
	}
	if err := os.Chown(kvmDevice, -1, st.KVM.GID); err != nil {
		return err
	}
	return os.Chmod(kvmDevice, os.FileMode(st.KVM.Mode))
}

func (l layout) readState() (state, error) {
	var st state
	raw, err := os.ReadFile(l.state())
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return st, err
	}
	if err := json.Unmarshal(raw, &st); err != nil {
		return st, fmt.Errorf("read %s: %w", l.state(), err)
	}
	return st, nil
}

// remember changes the state on disk before the machine is changed.
func (s *Stack) remember(change func(*state)) error {
	s.stateMu.Lock()
	defer s.stateMu.Unlock()
	st, err := s.paths.readState()
	if err != nil {
		return err
	}
	change(&st)
	raw, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	tmp := s.paths.state() + ".new"
	if err := os.WriteFile(tmp, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, s.paths.state())
}

// ensureMountPoint makes a directory that libvirt's build fixes, if the machine
// does not have it.
func (s *Stack) ensureMountPoint(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := s.remember(func(st *state) {
		if !slices.Contains(st.MadeDirs, dir) {
			st.MadeDirs = append(st.MadeDirs, dir)
		}
	}); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o755)
}
