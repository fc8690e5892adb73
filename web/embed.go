// Package web holds the built files of the web page, so that one binary serves
// them. They are committed: building Kumoi needs no Node.
package web

import (
	"embed"
	"io/fs"
)

// With "all:", names that begin with a dot or an underscore are kept too.
//
//go:embed all:dist
var built embed.FS

// Dist is the folder of built files: index.html, theme.js and assets/.
func Dist() fs.FS {
	dist, err := fs.Sub(built, "dist")
	if err != nil {
		panic(err) // the folder is in the binary
	}
	return dist
}

// Built tells whether the files are those of the page: until they are, index.html
// alone says how else a cloud is used.
func Built() bool {
	_, err := fs.Stat(built, "dist/assets")
	return err == nil
}
