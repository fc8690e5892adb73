package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"gopkg.in/yaml.v3"
)

// LoadFile replaces the overrides by those of an operator's YAML (or JSON) file
// that maps names of rules to checks, as OpenStack's policy.yaml does. A file
// that is not there means no overrides; a wrong one changes nothing.
func (e *Engine) LoadFile(path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return e.Override(nil)
	}
	if err != nil {
		return fmt.Errorf("policy file: %w", err)
	}
	rules := map[string]string{}
	if err := yaml.Unmarshal(b, &rules); err != nil {
		return fmt.Errorf("policy file %s: it must map names of rules to checks: %w", path, err)
	}
	return e.Override(rules)
}

// WatchFile loads the file now, and again within half a second of every
// change, until ctx ends. A file that has become wrong is logged and the rules
// before it stay in force.
func (e *Engine) WatchFile(ctx context.Context, path string, log *slog.Logger) error {
	if err := e.LoadFile(path); err != nil {
		return err
	}
	seen := stamp(path)
	go func() {
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := stamp(path)
			if now == seen {
				continue
			}
			seen = now
			if err := e.LoadFile(path); err != nil {
				log.Error("the policy file is wrong; the rules before it stay in force", "file", path, "error", err)
				continue
			}
			log.Info("policy file read", "file", path)
		}
	}()
	return nil
}

// stamp changes with the file.
func stamp(path string) string {
	st, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprint(st.ModTime().UnixNano(), st.Size())
}
