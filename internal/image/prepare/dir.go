package prepare

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Dir is a guest whose root is a folder here, such as a mounted disk. Links
// that lead out of it are not followed.
type Dir struct{ root *os.Root }

// OpenDir opens a folder as a guest.
func OpenDir(dir string) (*Dir, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Dir{root}, nil
}

// Close closes the folder.
func (d *Dir) Close() error { return d.root.Close() }

func inside(p string) string { return strings.TrimPrefix(path.Clean(p), "/") }

// Glob lists matching paths.
func (d *Dir) Glob(_ context.Context, pattern string) ([]string, error) {
	found, err := fs.Glob(d.root.FS(), strings.ReplaceAll(inside(pattern), "[!", "[^"))
	for i := range found {
		found[i] = "/" + found[i]
	}
	return found, err
}

// Remove removes files and folders.
func (d *Dir) Remove(_ context.Context, paths []string) error {
	var all error
	for _, p := range paths {
		all = errors.Join(all, d.root.RemoveAll(inside(p)))
	}
	return all
}

// Empty truncates plain files.
func (d *Dir) Empty(_ context.Context, paths []string) error {
	for _, p := range paths {
		info, err := d.root.Lstat(inside(p))
		if err != nil || !info.Mode().IsRegular() {
			continue // gone meanwhile, or a link whose target is somebody else's
		}
		f, err := d.root.OpenFile(inside(p), os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}
