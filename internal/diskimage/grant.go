package diskimage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// A tool is nobody, and its files are somebody's: root's, or a running guest's,
// whose hypervisor changes owners as it likes. So owners stay as they are, and
// nobody is let in by an entry in the file's access list for as long as a tool
// works on it. The folders that the files lie in keep everybody else out.

// grants counts the tools that work on a file.
var grants = struct {
	sync.Mutex
	held map[string]*held
}{held: map[string]*held{}}

type held struct {
	tools   int
	mode    os.FileMode
	list    []byte // as it was before; nil: none
	changed bool
}

// grant lets nobody work on the files until end is called.
func grant(files []file) (end func(), err error) {
	var done []string
	end = func() {
		for _, path := range done {
			revoke(path)
		}
	}
	if os.Geteuid() != 0 {
		return end, nil // a tool is who we are, shut in
	}
	for _, f := range files {
		path, err := filepath.Abs(f.path)
		if err == nil {
			err = admit(path, f.write)
		}
		if err != nil {
			end()
			return nil, fmt.Errorf("let the converter at %s: %w", f.path, err)
		}
		done = append(done, path)
	}
	return end, nil
}

func admit(path string, write bool) error {
	grants.Lock()
	defer grants.Unlock()
	h := grants.held[path]
	if h == nil {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		h = &held{mode: info.Mode().Perm(), list: accessList(path)}
	}
	perm := uint16(4)
	if write {
		perm = 6
	}
	if h.mode&os.FileMode(perm) != os.FileMode(perm) { // else anybody may
		h.changed = true
		if err := h.letIn(path, perm); err != nil {
			return err
		}
	}
	h.tools++
	grants.held[path] = h
	return nil
}

func (h *held) letIn(path string, perm uint16) error {
	list, err := withNobody(h.list, h.mode, perm)
	if err == nil {
		err = unix.Setxattr(path, aclName, list, 0)
	}
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.ENOSYS) { // a file system without lists has bits
		err = os.Chmod(path, h.mode|os.FileMode(perm))
	}
	return err
}

// revoke makes the file as it was, when no tool works on it any more. A file
// that has gone needs nothing.
func revoke(path string) {
	grants.Lock()
	defer grants.Unlock()
	h := grants.held[path]
	if h.tools--; h.tools > 0 {
		return
	}
	delete(grants.held, path)
	if !h.changed {
		return
	}
	if h.list != nil {
		_ = unix.Setxattr(path, aclName, h.list, 0)
	} else {
		_ = unix.Removexattr(path, aclName)
	}
	_ = os.Chmod(path, h.mode)
}

// The access list as the kernel gives it: a version, then entries of tag,
// permission and id, in the order of tags (acl(5)).
const (
	aclName    = "system.posix_acl_access"
	aclVersion = 2
	aclOwner   = 0x01
	aclUser    = 0x02
	aclGroup   = 0x04
	aclMask    = 0x10
	aclOther   = 0x20
	aclNoID    = 1<<32 - 1
)

type aclEntry struct {
	Tag, Perm uint16
	ID        uint32
}

func accessList(path string) []byte {
	buf := make([]byte, 4<<10)
	n, err := unix.Getxattr(path, aclName, buf)
	if err != nil || n < 4 {
		return nil
	}
	return buf[:n]
}

// withNobody adds nobody to a list, or to the one that a mode stands for.
func withNobody(list []byte, mode os.FileMode, perm uint16) ([]byte, error) {
	entries := []aclEntry{{aclOwner, uint16(mode >> 6 & 7), aclNoID}, {aclGroup, uint16(mode >> 3 & 7), aclNoID}, {aclOther, uint16(mode & 7), aclNoID}}
	if list != nil {
		entries = make([]aclEntry, (len(list)-4)/8)
		if _, err := binary.Decode(list[4:], binary.LittleEndian, entries); err != nil {
			return nil, err
		}
	}
	entries = slices.DeleteFunc(entries, func(e aclEntry) bool { return e.Tag == aclMask || e.Tag == aclUser && e.ID == nobody })
	mask := perm
	for _, e := range entries {
		if e.Tag == aclGroup || e.Tag == aclUser {
			mask |= e.Perm
		}
	}
	entries = append(entries, aclEntry{aclUser, perm, nobody}, aclEntry{aclMask, mask, aclNoID})
	slices.SortFunc(entries, func(a, b aclEntry) int {
		if a.Tag != b.Tag {
			return int(a.Tag) - int(b.Tag)
		}
		return int(int64(a.ID) - int64(b.ID))
	})
	return binary.Append(binary.LittleEndian.AppendUint32(nil, aclVersion), binary.LittleEndian, entries)
}
