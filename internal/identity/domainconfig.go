package identity

import (
	"context"
	"slices"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// DomainConfig is a domain's options, by group and name.
type DomainConfig map[string]map[string]any

// domainDefaults are the options that a domain may have, with their defaults.
// Sensitive ones are stored but never shown.
func domainDefaults() DomainConfig {
	return DomainConfig{
		"identity": {"driver": "sql", "list_limit": nil},
		"ldap": {
			"url": "ldap://localhost", "user": nil, "password": nil, "suffix": "cn=example,cn=com", "query_scope": "one", "page_size": 0,
			"use_tls": false, "tls_cacertfile": nil, "tls_cacertdir": nil, "tls_req_cert": "demand", "chase_referrals": nil, "alias_dereferencing": "default",
			"connection_timeout": -1, "debug_level": nil,
			"user_tree_dn": nil, "user_filter": nil, "user_objectclass": "inetOrgPerson", "user_id_attribute": "cn", "user_name_attribute": "sn",
			"user_description_attribute": "description", "user_mail_attribute": "mail", "user_pass_attribute": "userPassword",
			"user_enabled_attribute": "enabled", "user_enabled_invert": false, "user_enabled_mask": 0, "user_enabled_default": "True",
			"user_attribute_ignore": []any{"default_project_id"}, "user_default_project_id_attribute": nil,
			"user_enabled_emulation": false, "user_enabled_emulation_dn": nil, "user_enabled_emulation_use_group_config": false,
			"user_additional_attribute_mapping": []any{},
			"group_tree_dn":                     nil, "group_filter": nil, "group_objectclass": "groupOfNames", "group_id_attribute": "cn",
			"group_name_attribute": "ou", "group_member_attribute": "member", "group_members_are_ids": false, "group_desc_attribute": "description",
			"group_attribute_ignore": []any{""}, "group_additional_attribute_mapping": []any{}, "group_ad_nesting": false,
			"use_pool": true, "pool_size": 10, "pool_retry_max": 3, "pool_retry_delay": 0.1, "pool_connection_timeout": -1,
			"pool_connection_lifetime": 600, "use_auth_pool": true, "auth_pool_size": 100, "auth_pool_connection_lifetime": 60,
		},
		"security_compliance": {
			"password_regex": nil, "password_regex_description": nil,
		},
	}
}

var sensitiveOptions = []string{"ldap/password"}

// writable tells whether a domain may set an option.
func writable(group, option string) bool {
	defaults := domainDefaults()
	if group == "security_compliance" {
		return false
	}
	options, ok := defaults[group]
	if !ok || option == "" {
		return ok
	}
	_, ok = options[option]
	return ok
}

func unsupported(group, option string) error {
	if option == "" {
		return errs.New(errs.Forbidden, "Invalid domain specific configuration: group %s is not supported for domain specific configurations.", group)
	}
	return errs.New(errs.Forbidden, "Invalid domain specific configuration: option %s in group %s is not supported for domain specific configurations.", option, group)
}

func absentConfig(domainID, group, option string) error {
	switch {
	case option != "":
		return errs.New(errs.NotFound, "Could not find option %s in group %s in domain configuration for domain %s.", option, group, domainID)
	case group != "":
		return errs.New(errs.NotFound, "Could not find group %s in domain configuration for domain %s.", group, domainID)
	}
	return errs.New(errs.NotFound, "Could not find domain configuration for domain %s.", domainID)
}

// rule picks the policy: how passwords must look is everybody's to know.
func configRule(verb, group string) string {
	if verb == "get" && group == "security_compliance" {
		return "identity:get_security_compliance_domain_config"
	}
	return "identity:" + verb + "_domain_config"
}

// Default returns the defaults: all, a group's, or one.
func (f *DomainConfigs) Default(ctx context.Context, group, option string) (DomainConfig, error) {
	if err := f.s.check(ctx, "identity:get_domain_config_default", policy.Target{}); err != nil {
		return nil, err
	}
	defaults := f.security(domainDefaults())
	if group != "" {
		if _, ok := defaults[group]; !ok {
			return nil, unsupported(group, "")
		}
		defaults = DomainConfig{group: defaults[group]}
	}
	if option != "" {
		v, ok := defaults[group][option]
		if !ok {
			return nil, unsupported(group, option)
		}
		defaults = DomainConfig{group: {option: v}}
	}
	return defaults, nil
}

func (f *DomainConfigs) security(c DomainConfig) DomainConfig {
	if r := f.s.cfg.Passwords; r.Regex != "" {
		c["security_compliance"] = map[string]any{"password_regex": r.Regex, "password_regex_description": r.RegexDescription}
	}
	return c
}

// load reads a domain's own options.
func (f *DomainConfigs) load(ctx context.Context, tx *store.Tx, domainID string, hidden bool) (DomainConfig, error) {
	rows, err := f.s.store.DomainOptions.All(ctx, tx, store.Eq("domain_id", domainID))
	if err != nil {
		return nil, err
	}
	c := DomainConfig{}
	for _, o := range rows {
		if o.Sensitive {
			if !hidden {
				continue
			}
			sealed, _ := o.Value.(string)
			text, err := f.s.sealer.open(ctx, credentialKey, domainID+"/"+o.Option, sealed)
			if err != nil {
				return nil, err
			}
			o.Value = string(text)
		}
		if c[o.Group] == nil {
			c[o.Group] = map[string]any{}
		}
		c[o.Group][o.Option] = o.Value
	}
	return c, nil
}

// Show returns a domain's options: all, a group's, or one.
func (f *DomainConfigs) Show(ctx context.Context, domainID, group, option string) (DomainConfig, error) {
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (DomainConfig, error) {
		if err := f.target(ctx, tx, "get", domainID, group); err != nil {
			return nil, err
		}
		if group == "security_compliance" {
			return f.securityOptions(option)
		}
		if group != "" && !writable(group, option) {
			return nil, unsupported(group, option)
		}
		c, err := f.load(ctx, tx, domainID, false)
		if err != nil {
			return nil, err
		}
		return c.part(domainID, group, option)
	})
}

func (f *DomainConfigs) securityOptions(option string) (DomainConfig, error) {
	c := DomainConfig{"security_compliance": f.security(domainDefaults())["security_compliance"]}
	if option == "" {
		return c, nil
	}
	v, ok := c["security_compliance"][option]
	if !ok {
		return nil, unsupported("security_compliance", option)
	}
	return DomainConfig{"security_compliance": {option: v}}, nil
}

// part narrows a config to a group or an option.
func (c DomainConfig) part(domainID, group, option string) (DomainConfig, error) {
	if group == "" {
		if len(c) == 0 {
			return nil, absentConfig(domainID, "", "")
		}
		return c, nil
	}
	options, ok := c[group]
	if !ok {
		return nil, absentConfig(domainID, group, option)
	}
	if option == "" {
		return DomainConfig{group: options}, nil
	}
	v, ok := options[option]
	if !ok {
		return nil, absentConfig(domainID, group, option)
	}
	return DomainConfig{group: {option: v}}, nil
}

func (f *DomainConfigs) target(ctx context.Context, tx *store.Tx, verb, domainID, group string) error {
	if err := f.s.check(ctx, configRule(verb, group), domainTarget(domainID)); err != nil {
		return err
	}
	_, err := f.s.Domains.get(ctx, tx, domainID)
	return err
}

// Set replaces a domain's options; it tells whether there were none.
func (f *DomainConfigs) Set(ctx context.Context, domainID string, c DomainConfig) (created bool, err error) {
	err = f.s.db.Write(ctx, func(tx *store.Tx) error {
		if err := f.target(ctx, tx, "create", domainID, ""); err != nil {
			return err
		}
		n, err := f.s.store.DomainOptions.DeleteWhere(ctx, tx, store.Eq("domain_id", domainID))
		if err != nil {
			return err
		}
		created = n == 0
		return f.keep(ctx, tx, domainID, c)
	})
	return created, err
}

func (f *DomainConfigs) keep(ctx context.Context, tx *store.Tx, domainID string, c DomainConfig) error {
	for group, options := range c {
		if !writable(group, "") {
			return unsupported(group, "")
		}
		for option, value := range options {
			if !writable(group, option) {
				return unsupported(group, option)
			}
			if err := rightType(group, option, value); err != nil {
				return err
			}
			o := DomainOption{DomainID: domainID, Group: group, Option: option, Value: value}
			if slices.Contains(sensitiveOptions, group+"/"+option) {
				text, _ := value.(string)
				sealed, err := f.s.sealer.seal(ctx, credentialKey, domainID+"/"+option, []byte(text))
				if err != nil {
					return err
				}
				o.Sensitive, o.Value = true, sealed
			}
			if err := family.Put(ctx, tx, f.s.store.DomainOptions, &o); err != nil {
				return err
			}
		}
	}
	if err := f.s.noted(ctx, tx, "domain_config", updated, domainID); err != nil {
		return err
	}
	return f.s.changed(ctx, tx, configTag(domainID))
}

func configTag(domainID string) string { return "config:" + domainID }

// Update changes options that the domain has; group and option,
// when given, are what the request is about.
func (f *DomainConfigs) Update(ctx context.Context, domainID, group, option string, c DomainConfig) (DomainConfig, error) {
	return family.Write(ctx, f.s.db, func(tx *store.Tx) (DomainConfig, error) {
		if err := f.target(ctx, tx, "update", domainID, group); err != nil {
			return nil, err
		}
		if group != "" && !writable(group, option) {
			return nil, unsupported(group, option)
		}
		have, err := f.load(ctx, tx, domainID, false)
		if err != nil {
			return nil, err
		}
		if group != "" {
			if _, err := have.part(domainID, group, option); err != nil {
				return nil, err
			}
			if _, ok := c[group]; !ok || len(c) != 1 {
				return nil, errs.New(errs.Forbidden, "Invalid domain specific configuration: the body must hold the group %s and no other.", group)
			}
			if _, ok := c[group][option]; option != "" && (!ok || len(c[group]) != 1) {
				return nil, errs.New(errs.Forbidden, "Invalid domain specific configuration: the body must hold the option %s and no other.", option)
			}
		}
		if err := f.keep(ctx, tx, domainID, c); err != nil {
			return nil, err
		}
		return f.load(ctx, tx, domainID, false)
	})
}

// Delete deletes a domain's options: all, a group's, or one.
func (f *DomainConfigs) Delete(ctx context.Context, domainID, group, option string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if err := f.target(ctx, tx, "delete", domainID, group); err != nil {
			return err
		}
		if group != "" && !writable(group, option) {
			return unsupported(group, option)
		}
		of := []store.Cond{store.Eq("domain_id", domainID)}
		if group != "" {
			of = append(of, store.Eq("group_name", group))
		}
		if option != "" {
			of = append(of, store.Eq("option_name", option))
		}
		n, err := f.s.store.DomainOptions.DeleteWhere(ctx, tx, of...)
		if err != nil {
			return err
		}
		if n == 0 && group != "" {
			return absentConfig(domainID, group, option)
		}
		return f.s.changed(ctx, tx, configTag(domainID))
	})
}
