package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// fileConfig gives flags their values from one YAML file whose keys are the
// flags' names. The command line and the environment come first.
type fileConfig struct {
	path   string
	values map[string]any
}

// loadConfig reads the file that --config or KUMOI_CONFIG names; no name, no file.
func loadConfig(args []string) (*fileConfig, error) {
	path := os.Getenv("KUMOI_CONFIG")
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--config="); ok {
			path = v
		} else if a == "--config" && i+1 < len(args) {
			path = args[i+1]
		}
	}
	f := &fileConfig{path: path}
	if path == "" {
		return f, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the settings file (--config or KUMOI_CONFIG): %w", err)
	}
	if err := yaml.Unmarshal(b, &f.values); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Validate refuses keys that are no flag.
func (f *fileConfig) Validate(app *kong.Application) error {
	known := map[string]bool{}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && isSetting(flag) {
			known[flag.Name] = true
		}
		return next(nil)
	})
	for key := range f.values {
		if !known[key] {
			names := make([]string, 0, len(known))
			for k := range known {
				names = append(names, k)
			}
			slices.Sort(names)
			return fmt.Errorf("%s: unknown key %q; known are: %s", f.path, key, strings.Join(names, ", "))
		}
	}
	return nil
}

// isSetting tells a setting of the cloud from a flag of one command.
func isSetting(flag *kong.Flag) bool { return flag.Group != nil && flag.Group.Key == "cloud" }

// said tells whether a flag stands on the command line.
func said(k *kong.Context, flag string) bool {
	return slices.ContainsFunc(k.Path, func(p *kong.Path) bool { return p.Flag != nil && p.Flag.Name == flag })
}

// Resolve gives a flag the file's value unless its environment variable is set.
func (f *fileConfig) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if slices.ContainsFunc(flag.Envs, func(name string) bool { _, set := os.LookupEnv(name); return set }) {
		return nil, nil
	}
	if v, ok := f.values[flag.Name]; ok && isSetting(flag) {
		return v, nil
	}
	return nil, nil
}

// structured lets a setting be a list of objects: as it is in the settings
// file, as YAML text on the command line and in the environment. Keys that the
// setting does not have are an error that names them.
func structured[T any]() kong.Option {
	return kong.TypeMapper(reflect.TypeFor[T](), kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		token := ctx.Scan.Pop()
		text, ok := token.Value.(string)
		if !ok {
			b, err := yaml.Marshal(token.Value)
			if err != nil {
				return err
			}
			text = string(b)
		}
		var v T
		d := yaml.NewDecoder(strings.NewReader(text))
		d.KnownFields(true)
		if err := d.Decode(&v); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		target.Set(reflect.ValueOf(v))
		return nil
	}))
}
