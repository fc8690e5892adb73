// Package ldap reads users and groups from an LDAP directory, under the option
// names that Keystone uses for a domain's ldap group.
package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
)

// Directory speaks LDAP. It satisfies identity.Directory.
type Directory struct{}

const (
	timeout  = 10 * time.Second
	pageSize = 500
)

// options reads a domain's ldap group.
type options map[string]any

func (o options) text(name string) string {
	s, _ := o[name].(string)
	return s
}

func (o options) yes(name string) bool {
	switch v := o[name].(type) {
	case bool:
		return v
	case string:
		return slices.Contains([]string{"true", "t", "yes", "y", "on", "1"}, strings.ToLower(strings.TrimSpace(v)))
	}
	return false
}

// base is where a kind of entry lives: its own tree, or below the suffix.
func (o options) base(kind, fallback string) string {
	if dn := o.text(kind + "_tree_dn"); dn != "" {
		return dn
	}
	return fallback + "," + o.text("suffix")
}

func away(err error) error {
	return errs.Wrap(errs.Unavailable, err, "The directory of this domain cannot be reached.")
}

// dial connects and, where a user is configured, binds as him.
func (o options) dial(ctx context.Context) (*ldap.Conn, error) {
	u, err := url.Parse(o.text("url"))
	if err != nil {
		return nil, away(err)
	}
	conf := &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.text("tls_req_cert") == "never"} //nolint:gosec // the operator's word
	if file := o.text("tls_cacertfile"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, away(err)
		}
		conf.RootCAs = x509.NewCertPool()
		conf.RootCAs.AppendCertsFromPEM(pem)
	}
	dialer := &net.Dialer{Timeout: timeout}
	if deadline, ok := ctx.Deadline(); ok {
		dialer.Deadline = deadline
	}
	c, err := ldap.DialURL(u.String(), ldap.DialWithDialer(dialer), ldap.DialWithTLSConfig(conf))
	if err != nil {
		return nil, away(err)
	}
	c.SetTimeout(timeout)
	if o.yes("use_tls") {
		if err := c.StartTLS(conf); err != nil {
			c.Close()
			return nil, away(err)
		}
	}
	return c, nil
}

// session is dial and the configured user's bind.
func (o options) session(ctx context.Context) (*ldap.Conn, error) {
	c, err := o.dial(ctx)
	if err != nil {
		return nil, err
	}
	if user := o.text("user"); user != "" {
		if err := c.Bind(user, o.text("password")); err != nil {
			c.Close()
			return nil, away(err)
		}
	}
	return c, nil
}

func (o options) search(c *ldap.Conn, kind, base, more string, attributes ...string) ([]*ldap.Entry, error) {
	filter := "(objectClass=" + ldap.EscapeFilter(o.text(kind+"_objectclass")) + ")"
	if extra := o.text(kind + "_filter"); extra != "" {
		filter += extra
	}
	scope := ldap.ScopeSingleLevel
	if o.text("query_scope") == "sub" {
		scope = ldap.ScopeWholeSubtree
	}
	res, err := c.SearchWithPaging(&ldap.SearchRequest{
		BaseDN: base, Scope: scope, DerefAliases: ldap.NeverDerefAliases, TimeLimit: int(timeout / time.Second),
		Filter: "(&" + filter + more + ")", Attributes: attributes,
	}, pageSize)
	if err != nil {
		return nil, away(err)
	}
	return res.Entries, nil
}

// enabled reads the attribute that says so, as text or as a bit mask.
func (o options) enabled(e *ldap.Entry) bool {
	text := e.GetAttributeValue(o.text("user_enabled_attribute"))
	if text == "" {
		text = fmt.Sprint(o["user_enabled_default"])
	}
	var mask, n int
	_, _ = fmt.Sscan(fmt.Sprint(o["user_enabled_mask"]), &mask) // what is no number masks nothing
	if mask != 0 {
		if _, err := fmt.Sscan(text, &n); err == nil {
			return n&mask != mask // Active Directory's flag means disabled; nothing inverts it
		}
	}
	return strings.EqualFold(text, "true") != o.yes("user_enabled_invert")
}

// Read returns the directory's users and groups.
func (Directory) Read(ctx context.Context, opts map[string]any) ([]identity.DirectoryUser, []identity.DirectoryGroup, error) {
	o := options(opts)
	c, err := o.session(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer c.Close()
	idAttr, nameAttr := o.text("user_id_attribute"), o.text("user_name_attribute")
	entries, err := o.search(c, "user", o.base("user", "ou=Users"), "", idAttr, nameAttr, o.text("user_mail_attribute"),
		o.text("user_description_attribute"), o.text("user_enabled_attribute"))
	if err != nil {
		return nil, nil, err
	}
	byDN := map[string]string{}
	var users []identity.DirectoryUser
	for _, e := range entries {
		u := identity.DirectoryUser{
			ID: e.GetAttributeValue(idAttr), Name: e.GetAttributeValue(nameAttr), Email: e.GetAttributeValue(o.text("user_mail_attribute")),
			Description: e.GetAttributeValue(o.text("user_description_attribute")), Enabled: o.enabled(e),
		}
		if u.ID == "" || u.Name == "" {
			continue
		}
		byDN[strings.ToLower(e.DN)] = u.ID
		users = append(users, u)
	}
	groups, err := o.groups(c, byDN)
	return users, groups, err
}

func (o options) groups(c *ldap.Conn, byDN map[string]string) ([]identity.DirectoryGroup, error) {
	idAttr, nameAttr, memberAttr := o.text("group_id_attribute"), o.text("group_name_attribute"), o.text("group_member_attribute")
	entries, err := o.search(c, "group", o.base("group", "ou=UserGroups"), "", idAttr, nameAttr, memberAttr, o.text("group_desc_attribute"))
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil, nil // a directory without groups
	}
	if err != nil {
		return nil, err
	}
	var out []identity.DirectoryGroup
	for _, e := range entries {
		g := identity.DirectoryGroup{ID: e.GetAttributeValue(idAttr), Name: e.GetAttributeValue(nameAttr), Description: e.GetAttributeValue(o.text("group_desc_attribute"))}
		if g.ID == "" || g.Name == "" {
			continue
		}
		for _, m := range e.GetAttributeValues(memberAttr) {
			if o.yes("group_members_are_ids") {
				g.Members = append(g.Members, m)
			} else if id, ok := byDN[strings.ToLower(m)]; ok {
				g.Members = append(g.Members, id)
			}
		}
		out = append(out, g)
	}
	return out, nil
}

// Bind finds a user by name and tries the password.
func (Directory) Bind(ctx context.Context, opts map[string]any, name, password string) error {
	o := options(opts)
	c, err := o.session(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	match := "(" + o.text("user_name_attribute") + "=" + ldap.EscapeFilter(name) + ")"
	entries, err := o.search(c, "user", o.base("user", "ou=Users"), match, "dn")
	if err != nil {
		return err
	}
	if len(entries) != 1 || password == "" {
		return errs.New(errs.Unauthenticated, "The directory has %d users named %s.", len(entries), name)
	}
	err = c.Bind(entries[0].DN, password)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials) {
		return errs.Wrap(errs.Unauthenticated, err, "The directory refuses the password.")
	}
	if err != nil {
		return away(err)
	}
	return nil
}
