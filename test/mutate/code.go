package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// listed is what the go command says of a package.
type listed struct {
	ImportPath, Name, Dir, Export, ForTest string
	GoFiles, Deps                          []string
	DepOnly                                bool
}

func goList(ctx context.Context, args ...string) ([]listed, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list"}, args...)...) //nolint:gosec // the go command, told packages
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", strings.Join(args, " "), err)
	}
	var out []listed
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var l listed
		switch err := d.Decode(&l); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		}
		out = append(out, l)
	}
}

// code is the packages that faults are put into.
type code struct {
	packages []listed
	faults   []fault
}

// read finds the faults of packages, such as ./internal/network/...; packages whose
// name ends in test serve tests.
func read(ctx context.Context, pattern string) (code, error) {
	all, err := goList(ctx, "-export", "-deps", "-json=ImportPath,Name,Dir,Export,GoFiles,DepOnly", pattern)
	if err != nil {
		return code{}, err
	}
	exports := map[string]string{}
	for _, l := range all {
		exports[l.ImportPath] = l.Export
	}
	set := token.NewFileSet()
	from := importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var out code
	for _, l := range all {
		if l.DepOnly || strings.HasSuffix(l.Name, "test") || l.Name == "main" {
			continue
		}
		found, err := readPackage(set, from, l)
		if err != nil {
			return code{}, fmt.Errorf("%s: %w", l.ImportPath, err)
		}
		out.packages, out.faults = append(out.packages, l), append(out.faults, found...)
	}
	for i := range out.faults {
		out.faults[i].id = i + 1
	}
	return out, nil
}

func readPackage(set *token.FileSet, from types.Importer, l listed) ([]fault, error) {
	var files []*ast.File
	var texts [][]byte
	for _, name := range l.GoFiles {
		text, err := os.ReadFile(filepath.Join(l.Dir, name))
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(set, filepath.Join(l.Dir, name), text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files, texts = append(files, file), append(texts, text)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	pkg, err := (&types.Config{Importer: from}).Check(l.ImportPath, set, files, info)
	if err != nil {
		return nil, err
	}
	var out []fault
	for i, file := range files {
		out = append(out, faultsIn(set, file, filepath.Join(l.Dir, l.GoFiles[i]), texts[i], pkg, info)...)
	}
	return out, nil
}

// write weaves every fault in and returns the overlay that the go command reads in
// place of the files, which are never touched.
func (c code) write(dir string) (string, error) {
	replace := map[string]string{}
	put := func(name string, text []byte) error {
		to := filepath.Join(dir, fmt.Sprintf("woven%d.go", len(replace)))
		replace[name] = to
		return os.WriteFile(to, text, 0o600)
	}
	last := len(c.faults)
	if last > 0 {
		last = c.faults[last-1].id
	}
	for _, l := range c.packages {
		var own []fault
		for _, file := range l.GoFiles {
			name := filepath.Join(l.Dir, file)
			faults := slices.DeleteFunc(slices.Clone(c.faults), func(f fault) bool { return f.file != name })
			if len(faults) == 0 {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return "", err
			}
			if err := put(name, weave(text, faults)); err != nil {
				return "", err
			}
			own = append(own, faults...)
		}
		if len(own) > 0 {
			if err := put(filepath.Join(l.Dir, "mutant_helpers.go"), []byte(helperFile(l.Name, own, last))); err != nil {
				return "", err
			}
		}
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}
