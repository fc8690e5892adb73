package main

import (
	"maps"
	"slices"

	"kumoi/internal/app"
)

type quotasCmd struct {
	Format string `enum:"table,json" default:"table" help:"table or json."`
}

func (c *quotasCmd) Run() error {
	all, err := app.Services()
	if err != nil {
		return err
	}
	if c.Format == "json" {
		out := map[string]map[string]int64{}
		for _, d := range all {
			if d.Quotas != nil {
				out[d.Name] = d.Quotas
			}
		}
		return printJSON(out)
	}
	table("SERVICE | RESOURCE | LIMIT", func(line func(...any)) {
		for _, d := range all {
			for _, resource := range slices.Sorted(maps.Keys(d.Quotas)) {
				line(d.Name, resource, d.Quotas[resource])
			}
		}
	})
	return nil
}
