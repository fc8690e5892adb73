package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
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
	rules, err := readRules(b)
	if err != nil {
		return fmt.Errorf("policy file %s: %w", path, err)
	}
	return e.Override(rules)
}

// readRules reads the text of a file in any form that oslo.policy reads: JSON
// (which may be indented with tabs, unlike YAML) or YAML, with checks as texts
// or in the older form of lists.
func readRules(b []byte) (map[string]string, error) {
	values := map[string]any{}
	if json.Unmarshal(b, &values) != nil {
		clear(values)
		if err := yaml.Unmarshal(b, &values); err != nil {
			return nil, fmt.Errorf("it must map names of rules to checks: %w", err)
		}
	}
	rules := make(map[string]string, len(values))
	for name, v := range values {
		var err error
		if rules[name], err = checkText(v); err != nil {
			return nil, fmt.Errorf("policy %s: %w", name, err)
		}
	}
	return rules, nil
}

// checkText is a check as a text. In the form of lists, one of the outer list's
// must hold, and of an inner list all; a single check needs no inner list. An
// empty list, an empty text and nothing allow; empty inner lists do not count,
// and if there are no others nothing is allowed.
func checkText(v any) (string, error) {
	var some []string
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case []any:
		if len(v) == 0 {
			return "@", nil
		}
		for _, inner := range v {
			all, err := allOf(inner)
			if err != nil {
				return "", err
			}
			if all != "" {
				some = append(some, all)
			}
		}
	default:
		return "", fmt.Errorf("a check is a text or a list, not %v", v)
	}
	if len(some) == 0 {
		return "!", nil
	}
	return strings.Join(some, " or "), nil
}

func allOf(v any) (string, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var all []string
	for _, x := range list {
		text, ok := x.(string)
		if !ok {
			return "", fmt.Errorf("an inner list holds checks as texts, not %v", x)
		}
		if strings.TrimSpace(text) == "" {
			text = "@"
		}
		// A single check stands here, which the words of the language do not join.
		if strings.ContainsAny(text, " \t\n()") && !strings.Contains(text, "%(") {
			return "", fmt.Errorf("an inner list holds single checks, not %q", text)
		}
		all = append(all, text)
	}
	return strings.Join(all, " and "), nil
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
