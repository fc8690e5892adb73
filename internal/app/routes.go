package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"kumoi/internal/image"
	"kumoi/internal/image/backend"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/service"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
	fabricfake "kumoi/internal/network/fabric/fake"
)

// RouteRow is one operation of the cloud.
type RouteRow struct {
	Service  string `json:"service"`
	Method   string `json:"method"`
	Prefix   string `json:"prefix"` // of the service's addresses
	Path     string `json:"path"`   // with {placeholders} and #action
	Policy   string `json:"policy"`
	Versions string `json:"versions"`
}

// unusedBackend stands where an image store would; nothing calls it.
type unusedBackend struct{ backend.Backend }

func (unusedBackend) ReadOnly() bool { return false }
func (unusedBackend) Type() string   { return "file" }

// blueprint assembles the services without a cloud below them.
func blueprint() (*services, error) {
	cfg := &Config{DataDir: "/nonexistent"}
	return assemble(ground{
		cfg: cfg, log: logx.Discard(), fabric: fabricfake.New(), sagas: saga.NewEngine(nil, saga.Config{}), tasks: task.NewRunner(nil),
		stores: []image.NamedStore{{ID: "file", Backend: unusedBackend{}}},
	})
}

// Services are those of a cloud of this release, in the order in which they
// start: each knows only those before it.
func Services() ([]service.Descriptor, error) {
	s, err := blueprint()
	if err != nil {
		return nil, err
	}
	return s.list, nil
}

// Migrations are the schemas of all that keeps tables.
func Migrations() ([]store.Migrations, error) {
	s, err := blueprint()
	if err != nil {
		return nil, err
	}
	return s.migrations(), nil
}

// Routes lists every operation that a cloud of this release serves.
func Routes() ([]RouteRow, error) {
	s, err := blueprint()
	if err != nil {
		return nil, err
	}
	var out []RouteRow
	for _, api := range s.apis() {
		for _, r := range api.Routes {
			out = append(out, rows(api, r)...)
		}
	}
	slices.SortStableFunc(out, func(a, b RouteRow) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
	return out, nil
}

func rows(api *httpx.Service, r httpx.Route) []RouteRow {
	row := RouteRow{Service: api.Name, Prefix: api.Prefix, Method: r.Method, Path: r.Path, Policy: r.Policy}
	if api.Micro != nil {
		low, high := api.Micro.Min, api.Micro.Max
		if !r.Min.IsZero() {
			low = r.Min
		}
		if !r.Max.IsZero() {
			high = r.Max
		}
		row.Versions = fmt.Sprintf("%s–%s", low, high)
	}
	if r.Action != "" {
		row.Path += "#" + r.Action
	}
	out := []RouteRow{row}
	for _, v := range r.Variants {
		w := row
		w.Path = r.Path + "#" + strings.TrimPrefix(v, "#")
		out = append(out, w)
	}
	return out
}

// Policy returns the rules of a cloud with this configuration, the operator's file applied.
func Policy(cfg *Config) (*policy.Engine, error) {
	s, err := blueprint()
	if err != nil || cfg.PolicyFile == "" {
		return s.policy, err
	}
	return s.policy, s.policy.LoadFile(cfg.PolicyFile)
}

// PolicyQuestion asks whether an actor may do something.
type PolicyQuestion struct {
	Rule                  string
	Roles                 []string
	User, Project, Domain string
	System                bool
	Target                map[string]string
}

// PolicyAnswer is the decision and its reason.
type PolicyAnswer struct {
	Allowed     bool
	Rule        string
	Explanation string
}

// AskPolicy decides a question by the rules of a cloud with this configuration.
func AskPolicy(ctx context.Context, cfg *Config, q PolicyQuestion) (*PolicyAnswer, error) {
	engine, err := Policy(cfg)
	if err != nil {
		return nil, err
	}
	a := &actor.Actor{UserID: q.User, ProjectID: q.Project, DomainID: q.Domain, Roles: q.Roles}
	if q.System {
		a.SystemScope = "all"
	}
	e, err := engine.Explain(actor.With(ctx, a), q.Rule, policy.Target(q.Target))
	if err != nil {
		return nil, err
	}
	return &PolicyAnswer{Allowed: e.Allowed, Rule: q.Rule, Explanation: e.String()}, nil
}
