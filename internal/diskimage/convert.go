package diskimage

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"kumoi/internal/kernel/errs"
)

// toolNames are qemu-img's words for the API's formats.
var toolNames = map[string]string{
	"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx", "ploop": "parallels",
}

// Available tells whether the tools are installed.
func Available() bool {
	_, err := exec.LookPath("qemu-img")
	return err == nil
}

// Can tells whether a format can be converted from.
func Can(format string) bool { return toolNames[format] != "" }

// Layer is a file of a disk, as our record of the disk has it.
type Layer struct {
	Path   string
	Format string // the API's word
}

// Convert copies a disk into dst, which is made anew and stands alone; if the
// conversion fails it is removed. The disk's top layer comes first, and behind
// it those that it is based on. What the files say of each other is not asked.
func Convert(ctx context.Context, disk []Layer, dst Layer, l Limits) error {
	s := probe()
	source, files, err := s.describe(disk, false)
	if err != nil {
		return err
	}
	if dst.Format != "raw" && dst.Format != "qcow2" {
		return errs.New(errs.Invalid, "An image cannot be converted to %s.", dst.Format)
	}
	out, err := os.OpenFile(dst.Path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	files = append(files, file{dst.Path, true})
	err = s.run(ctx, l, files, []string{"qemu-img", "convert", "-O", dst.Format, "-t", "writeback", "-W", "-m", "4", source, s.name(len(files) - 1)})
	if err == nil {
		err = out.Sync()
	}
	if err != nil {
		_ = os.Remove(dst.Path) // the reason is told
	}
	return err
}

// Resize makes a disk size bytes large. Nobody else may use it meanwhile.
func Resize(ctx context.Context, disk []Layer, size int64, l Limits) error {
	s := probe()
	source, files, err := s.describe(disk, true)
	if err != nil {
		return err
	}
	return s.run(ctx, l, files, []string{"qemu-img", "resize", source, strconv.FormatInt(size, 10)})
}

// describe writes a disk in QEMU's own words, in which every file and format
// is named, and the last file has nothing below it.
func (s sandbox) describe(disk []Layer, write bool) (string, []file, error) {
	type node map[string]any
	var files []file
	var top, above node
	for i, layer := range disk {
		driver := toolNames[layer.Format]
		if driver == "" {
			return "", nil, errs.New(errs.Invalid, "An image of format %s cannot be converted.", layer.Format)
		}
		here := node{"driver": driver, "file": node{"driver": "file", "filename": s.name(i)}}
		if driver == "qcow2" || driver == "vmdk" {
			here["backing"] = nil
		}
		if above == nil {
			top = here
		} else {
			above["backing"] = here
		}
		above = here
		files = append(files, file{layer.Path, write && i == 0})
	}
	if top == nil {
		return "", nil, errs.New(errs.Invalid, "A disk has at least one file.")
	}
	text, err := json.Marshal(top)
	return "json:" + string(text), files, err
}

// fileSystems are what a blank disk can be formatted with: the program, and
// its options before the label and the file.
var fileSystems = map[string][]string{
	"ext2": {"mkfs.ext2", "-q", "-F", "-E", "lazy_itable_init=1,nodiscard", "-L"},
	"ext3": {"mkfs.ext3", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", "-L"},
	"ext4": {"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", "-L"},
	"vfat": {"mkfs.vfat", "-n"},
	"xfs":  {"mkfs.xfs", "-q", "-f", "-K", "-L"},
	"ntfs": {"mkfs.ntfs", "--quick", "--force", "--label"},
}

// Format puts an empty file system on a blank raw disk.
func Format(ctx context.Context, path, fs, label string, l Limits) error {
	tool := fileSystems[fs]
	if tool == nil {
		return errs.New(errs.Invalid, "A disk cannot be formatted as %s.", fs)
	}
	if fs == "vfat" {
		label = strings.ToUpper(label[:min(11, len(label))])
	}
	if _, err := exec.LookPath(tool[0]); err != nil {
		return errs.Wrap(errs.NoCapacity, err, "The host cannot format disks as %s: %s is not installed.", fs, tool[0])
	}
	s := probe()
	if err := s.run(ctx, l, []file{{path, true}}, append(append([]string{}, tool...), label, s.name(0))); err != nil {
		return fmt.Errorf("format disk as %s: %w", fs, err)
	}
	return nil
}
