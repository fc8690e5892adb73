package app

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
)

// bootstrap gives identity what it needs at every start. The password of an
// administrator who is there already stays as it is.
func (k *control) bootstrap(ctx context.Context) error {
	password, fresh, err := k.adminPassword()
	if err != nil {
		return err
	}
	made, err := k.identity.Bootstrap(ctx, identity.BootstrapConfig{AdminPassword: password, Region: k.cfg.Region, Catalog: k.catalogue()})
	if err == nil && fresh && !made {
		// The database is another server's too, which knows the password.
		err = os.Remove(k.cfg.AdminPasswordFile())
	}
	return err
}

// adminPassword is the first administrator's: kept from before, given, or made
// now. It is written down before it is used, so that it cannot be lost.
func (k *control) adminPassword() (password string, fresh bool, err error) {
	b, err := os.ReadFile(k.cfg.AdminPasswordFile())
	if err == nil {
		return strings.TrimSpace(string(b)), false, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", false, err
	}
	password = k.cfg.AdminPassword
	if password == "" {
		password = ids.NewHex()
	}
	return password, true, k.keepAdminPassword(password)
}

// keepAdminPassword writes the administrator's password down for "kumoi openrc".
func (k *control) keepAdminPassword(password string) error {
	return os.WriteFile(k.cfg.AdminPasswordFile(), []byte(password+"\n"), 0o600)
}

// BootstrapRequest is what "kumoi admin bootstrap" asks for.
type BootstrapRequest struct {
	User, Password, Project, Region  string
	PublicURL, InternalURL, AdminURL string // of identity; may be empty
}

// bootstrapAgain makes or repairs what a cloud starts with, and gives the
// administrator a password.
func bootstrapAgain(ctx context.Context, k *control, _ *http.Request, in BootstrapRequest) (any, error) {
	if in.Password == "" {
		return nil, errs.New(errs.Invalid, "A password must not be empty.")
	}
	c := identity.BootstrapConfig{
		AdminUser: in.User, AdminPassword: in.Password, ResetPassword: true, AdminProject: in.Project, Region: in.Region, Catalog: k.catalogue(),
	}
	for i := range c.Catalog {
		if e := &c.Catalog[i]; e.Type == "identity" && in.PublicURL != "" {
			e.Public, e.Internal, e.Admin = in.PublicURL, in.InternalURL, in.AdminURL
		}
	}
	if _, err := k.identity.Bootstrap(ctx, c); err != nil {
		return nil, err
	}
	if in.User != "admin" {
		return nothing{}, nil
	}
	return nothing{}, k.keepAdminPassword(in.Password)
}
