package identity

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// ValidateDirectory refuses options that the ldap group of a domain's
// configuration does not have.
func ValidateDirectory(options map[string]any) error {
	known := domainDefaults()["ldap"]
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if _, ok := known[name]; !ok {
			return errs.New(errs.Invalid, "unknown option %q; known are: %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	for _, name := range []string{"url", "suffix"} {
		if text, _ := options[name].(string); text == "" {
			return errs.New(errs.Invalid, "%s is needed", name)
		}
	}
	return nil
}

// ConfigureDirectory makes a domain mirror a directory, as an operator's
// settings say; the domain is made if there is none of the name. What the API
// has set on the domain before gives way. No policy is asked.
func (s *Service) ConfigureDirectory(ctx context.Context, name string, options map[string]any) error {
	if err := ValidateDirectory(options); err != nil {
		return err
	}
	want := DomainConfig{"identity": {"driver": "ldap"}, "ldap": options}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		d, err := byName(ctx, tx, s.store.Projects.Table, "", name)
		if errs.Is(err, errs.NotFound) {
			d = Project{ID: ids.NewHex(), Name: name, IsDomain: true, Enabled: true, Description: "Users of a directory"}
			d.Path = d.ID + "/"
			if err = s.store.Projects.Insert(ctx, tx, &d); err == nil {
				err = s.noted(ctx, tx, "domain", created, d.ID)
			}
		}
		if err != nil {
			return err
		}
		if d.ID == DefaultDomainID {
			return errs.New(errs.Invalid, "the default domain holds the services' own users and cannot be a directory's")
		}
		have, err := s.DomainConfigs.load(ctx, tx, d.ID, true)
		if err != nil || fmt.Sprint(have["ldap"]) == fmt.Sprint(want["ldap"]) && have["identity"]["driver"] == "ldap" {
			return err
		}
		if _, err := s.store.DomainOptions.DeleteWhere(ctx, tx, store.Eq("domain_id", d.ID)); err != nil {
			return err
		}
		return s.DomainConfigs.keep(ctx, tx, d.ID, want)
	})
}
