package app

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/service"
)

// explainer finds who can explain resources of a kind.
func (s *services) explainer(noun string) (service.Explainer, error) {
	var known []string
	for _, d := range s.list {
		for _, e := range d.Explains {
			if e.Noun == noun {
				return e, nil
			}
			known = append(known, e.Noun)
		}
	}
	return service.Explainer{}, errs.New(errs.NotFound, "Nothing can explain a %q; there is: %s.", noun, strings.Join(known, ", "))
}

// explained are all resources of a kind, for a person to choose from.
func explained(ctx context.Context, k *control, r *http.Request, _ nothing) (any, error) {
	e, err := k.explainer(r.PathValue("noun"))
	if err != nil {
		return nil, err
	}
	return e.List(ctx)
}

// explain answers "kumoi explain": of a resource by its id or, if only one has it,
// by its name.
func explain(ctx context.Context, k *control, r *http.Request, _ nothing) (any, error) {
	e, err := k.explainer(r.PathValue("noun"))
	if err != nil {
		return nil, err
	}
	which := r.PathValue("id")
	x, err := e.Explain(ctx, which)
	if errs.Is(err, errs.NotFound) {
		var id string
		if id, err = named(ctx, e, which); err == nil {
			x, err = e.Explain(ctx, id)
		}
	}
	if err != nil {
		return nil, err
	}
	return x, nil
}

// named finds the only resource with a name.
func named(ctx context.Context, e service.Explainer, name string) (string, error) {
	list, err := e.List(ctx)
	if err != nil {
		return "", err
	}
	list = slices.DeleteFunc(list, func(v service.Resource) bool { return v.Name != name })
	switch len(list) {
	case 0:
		return "", errs.New(errs.NotFound, "No %s has the id or name %q; kumoi explain %s lists them.", e.Noun, name, e.Noun)
	case 1:
		return list[0].ID, nil
	}
	var lines strings.Builder
	for _, v := range list {
		lines.WriteString("\n  " + strings.Join([]string{v.ID, v.Status, v.Host, "of project " + v.ProjectID}, "  "))
	}
	return "", errs.New(errs.Conflict, "%d %ss are named %q; say which by its id:%s", len(list), e.Noun, name, lines.String())
}
