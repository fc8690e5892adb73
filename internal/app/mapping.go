package app

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"kumoi/internal/identity/federation"
	"kumoi/internal/kernel/errs"
)

// MappingTrial is what a mapping makes of an assertion, and why.
type MappingTrial struct {
	Rules  []string // "" for each rule that fits, why not for the others
	Result federation.Mapped
	Error  string `json:",omitempty"` // why nobody is logged in
}

// TryRules runs the rules of a file, as they would be sent to the API or bare,
// on an assertion. It needs no running cloud.
func TryRules(rules []byte, assertion map[string][]string) (*MappingTrial, error) {
	var file struct {
		Mapping *struct{ Rules []federation.MappingRule }
		Rules   []federation.MappingRule
	}
	m := federation.Mapping{ID: "of the file"}
	text := bytes.TrimSpace(rules)
	var err error
	if bytes.HasPrefix(text, []byte("[")) {
		err = json.Unmarshal(text, &m.Rules)
	} else if err = json.Unmarshal(text, &file); err == nil {
		if m.Rules = file.Rules; file.Mapping != nil {
			m.Rules = file.Mapping.Rules
		}
	}
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "the rules are not JSON as the API takes it (%s)", err)
	}
	if len(m.Rules) == 0 {
		return nil, errs.New(errs.Invalid, "there are no rules")
	}
	if err := federation.ValidateRules(m.Rules); err != nil {
		return nil, err
	}
	return try(m, assertion), nil
}

func try(m federation.Mapping, assertion map[string][]string) *MappingTrial {
	mapped, why, err := m.Explain(assertion)
	t := &MappingTrial{Rules: why, Result: mapped}
	if err != nil {
		t.Error = err.Error()
	}
	return t
}

// tryMapping runs a mapping of the running cloud.
func tryMapping(ctx context.Context, k *control, r *http.Request, in map[string][]string) (any, error) {
	m, err := k.identity.Federation.Mappings.Show(ctx, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return try(*m, in), nil
}

// ReadAssertion reads an assertion: a JSON object of texts or lists of texts, or
// a line "name: value" for each attribute, several values separated by ";".
func ReadAssertion(b []byte) (map[string][]string, error) {
	out := map[string][]string{}
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		var object map[string]any
		if err := json.Unmarshal(b, &object); err != nil {
			return nil, err
		}
		for name, v := range object {
			switch v := v.(type) {
			case string:
				out[name] = strings.Split(v, ";")
			case []any:
				for _, x := range v {
					text, ok := x.(string)
					if !ok {
						return nil, errs.New(errs.Invalid, "%s: a value is not text", name)
					}
					out[name] = append(out[name], text)
				}
			default:
				return nil, errs.New(errs.Invalid, "%s: its value is neither text nor a list of texts", name)
			}
		}
		return out, nil
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, errs.New(errs.Invalid, "the line %q is not name: value", line)
		}
		out[strings.TrimSpace(name)] = strings.Split(strings.TrimSpace(value), ";")
	}
	return out, nil
}
