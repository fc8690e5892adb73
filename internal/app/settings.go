package app

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"path/filepath"

	"kumoi/internal/kernel/errs"
)

// Settings are those that a command must share with the cloud it works on: where
// the API is, what stands below, which rules hold. A cloud keeps them in its data
// directory, so that --data-dir alone says them again. They hold no secret.
type Settings struct {
	Listen, PublicURL, TLSCert, TLSKey, TLSCA string
	Region                                    string
	Host, Hypervisor, Fabric                  string
	OutsideCIDR, TunnelAddress, TunnelDevice  string
	Datapath, OVNListen, OVNRemote            string
	PolicyFile                                string
}

func (c *Config) settings() Settings {
	return Settings{
		Listen: c.Listen, PublicURL: c.PublicURL, TLSCert: absolute(c.TLSCert), TLSKey: absolute(c.TLSKey), TLSCA: absolute(c.authority()), Region: c.Region,
		Host: c.Host, Hypervisor: c.Hypervisor, Fabric: c.Fabric,
		OutsideCIDR: c.OutsideCIDR, TunnelAddress: c.TunnelAddress, TunnelDevice: c.TunnelDevice,
		Datapath: c.Datapath, OVNListen: c.OVNListen, OVNRemote: c.OVNRemote, PolicyFile: absolute(c.PolicyFile),
	}
}

func (c *Config) adopt(s Settings) {
	c.Listen, c.PublicURL, c.TLSCert, c.TLSKey, c.TLSCA, c.Region = s.Listen, s.PublicURL, s.TLSCert, s.TLSKey, s.TLSCA, s.Region
	c.Host, c.Hypervisor, c.Fabric = s.Host, s.Hypervisor, s.Fabric
	c.OutsideCIDR, c.TunnelAddress, c.TunnelDevice = s.OutsideCIDR, s.TunnelAddress, s.TunnelDevice
	c.Datapath, c.OVNListen, c.OVNRemote, c.PolicyFile = s.Datapath, s.OVNListen, s.OVNRemote, s.PolicyFile
}

// settingsFile keeps what the cloud of the data directory last ran with.
func (c *Config) settingsFile() string { return c.path("settings.json") }

func (c *Config) keepSettings() error {
	b, err := json.MarshalIndent(c.settings(), "", "  ")
	if err != nil {
		return err
	}
	next := c.settingsFile() + ".next"
	if err := os.WriteFile(next, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(next, c.settingsFile())
}

// Adopt gives the configuration the settings of the data directory's cloud: those
// it runs with, or last ran with. Whoever sends the administrator's password
// somewhere asks this first, so that it goes to that cloud and to nobody else.
// It tells whether the cloud runs. Without a cloud the configuration stays.
func Adopt(ctx context.Context, cfg *Config) (running bool, err error) {
	if cfg.DataDir, err = filepath.Abs(cfg.DataDir); err != nil {
		return false, err
	}
	var s Settings
	err = AdminClientOf(cfg.DataDir).Call(ctx, http.MethodGet, "/settings", nil, &s)
	if err == nil {
		cfg.adopt(s)
		return true, cfg.Validate()
	}
	if !errs.Is(err, errs.Unavailable) {
		return false, err
	}
	switch b, err := os.ReadFile(cfg.settingsFile()); {
	case errors.Is(err, os.ErrNotExist):
	case errors.Is(err, os.ErrPermission):
		return false, errs.New(errs.Forbidden, "The cloud in %s is another user's; run this as root.", cfg.DataDir)
	case err != nil:
		return false, err
	default:
		if err := json.Unmarshal(b, &s); err != nil {
			return false, errs.Wrap(errs.Invalid, err, "%s cannot be read; the next start of kumoi writes it anew", cfg.settingsFile())
		}
		cfg.adopt(s)
	}
	return false, cfg.Validate()
}

// authority is the file by which clients may trust the API's certificate: what
// --tls-ca says, or the chain itself where it ends in a certificate that signed
// itself. Empty: the machine's own authorities have to know it.
func (c *Config) authority() string {
	if c.TLSCA != "" || c.TLSCert == "" {
		return c.TLSCA
	}
	rest, err := os.ReadFile(c.TLSCert)
	if err != nil {
		return ""
	}
	var last *x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			last = cert
		}
	}
	if last == nil || !bytes.Equal(last.RawIssuer, last.RawSubject) {
		return ""
	}
	return c.TLSCert
}

func absolute(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
