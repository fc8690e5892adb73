package dashboard

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path"
	"strings"

	"kumoi/internal/kernel/errs"
)

// File is a file of the page as browsers get it.
type File struct {
	Type    string // its media type
	Tag     string // of its content
	Forever bool   // its name changes with its content
	Plain   []byte
	Gzip    []byte // nil: it is no smaller
}

// Files are the page's, by their paths below its address.
type Files struct{ named map[string]*File }

// index is the file that answers for every place within the page.
const index = "index.html"

// mediaTypes are those of built files, whatever the machine's own table says.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".webmanifest": "application/manifest+json", ".svg": "image/svg+xml", ".png": "image/png",
	".ico": "image/x-icon", ".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8", ".wasm": "application/wasm",
}

// LoadFiles reads a folder of built files and compresses them, once.
func LoadFiles(dir fs.FS) (*Files, error) {
	f := &Files{named: map[string]*File{}}
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		plain, err := fs.ReadFile(dir, name)
		if err != nil {
			return err
		}
		f.named[name] = newFile(name, plain)
		return nil
	})
	if err == nil && f.named[index] == nil {
		err = errs.New(errs.Internal, "The web page has no %s: build it with make web.", index)
	}
	return f, err
}

func newFile(name string, plain []byte) *File {
	sum := sha256.Sum256(plain)
	f := &File{
		Type: cmp.Or(mediaTypes[path.Ext(name)], "application/octet-stream"), Tag: hex.EncodeToString(sum[:16]),
		Forever: strings.HasPrefix(name, assets), Plain: plain,
	}
	var small bytes.Buffer
	z, _ := gzip.NewWriterLevel(&small, gzip.BestCompression) // the level is a known one
	if _, err := z.Write(plain); err == nil && z.Close() == nil && small.Len() < len(plain) {
		f.Gzip = small.Bytes()
	}
	return f
}

// assets is the folder of files whose names change with their content.
const assets = "assets/"

// Find returns the file at a path: the page itself wherever there is no other, but
// among the assets. A page that was loaded before an upgrade asks for some that are
// gone, and must not take a page for a script.
func (f *Files) Find(name string) (*File, error) {
	if v := f.named[name]; v != nil {
		return v, nil
	}
	if strings.HasPrefix(name+"/", assets) {
		return nil, errs.New(errs.NotFound, "The web page has no file %q; load the page anew.", name)
	}
	return f.named[index], nil
}
