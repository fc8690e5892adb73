package app

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// servers are all that there are, for a person to choose from.
func (k *control) servers(ctx context.Context) ([]ServerRow, error) {
	d, err := k.compute.List(ctx, compute.ListServers{Query: store.Query{Where: []store.Cond{store.Eq("deleted", false)}, Everyone: true}}, false)
	if err != nil {
		return nil, err
	}
	out := make([]ServerRow, len(d.Servers))
	for i, s := range d.Servers {
		out[i] = ServerRow{ID: s.ID, Name: s.Name, Status: s.Status(), Host: s.Host, ProjectID: s.ProjectID}
	}
	return out, nil
}

// explainServer answers "kumoi explain server": of a server by its id or, if only
// one has it, by its name.
func (k *control) explainServer(ctx context.Context, which string) (*ServerExplanation, error) {
	e, err := k.compute.Explain(ctx, which)
	if errs.Is(err, errs.NotFound) {
		var id string
		if id, err = k.serverNamed(ctx, which); err == nil {
			e, err = k.compute.Explain(ctx, id)
		}
	}
	if err != nil {
		return nil, err
	}
	return &ServerExplanation{Text: e.String(), Reason: e.Reason, Facts: e}, nil
}

func (k *control) serverNamed(ctx context.Context, name string) (string, error) {
	list, err := k.servers(ctx)
	if err != nil {
		return "", err
	}
	list = slices.DeleteFunc(list, func(s ServerRow) bool { return s.Name != name })
	switch len(list) {
	case 0:
		return "", errs.New(errs.NotFound, "No server has the id or name %q; kumoi explain server lists them.", name)
	case 1:
		return list[0].ID, nil
	}
	var lines strings.Builder
	for _, s := range list {
		lines.WriteString("\n  " + strings.Join([]string{s.ID, s.Status, s.Host, "of project " + s.ProjectID}, "  "))
	}
	return "", errs.New(errs.Conflict, "%d servers are named %q; say which by its id:%s", len(list), name, lines.String())
}
