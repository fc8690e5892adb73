package app

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
)

// Config is everything a person can set. The zero value is not useful: the
// command line fills in the defaults. The key of each field in the YAML file,
// its flag and its environment variable (KUMOI_…) are the tag "name".
type Config struct {
	DataDir  string `name:"data-dir" env:"KUMOI_DATA_DIR" default:"/var/lib/kumoi" help:"Where everything lives: database, images, guests' disks, sockets, logs."`
	Listen   string `name:"listen" env:"KUMOI_LISTEN" default:"127.0.0.1:5000" help:"Address and port of the API."`
	Database string `name:"database" env:"KUMOI_DATABASE" help:"sqlite:/path/to/file or postgres://user:password@host/name (default: SQLite in the data directory)."`
	Region   string `name:"region" env:"KUMOI_REGION" default:"RegionOne" help:"Name of the region in the catalogue."`

	PublicURL string `name:"public-url" env:"KUMOI_PUBLIC_URL" help:"The cloud's address as clients see it, if it is not the one they connect to."`
	TLSCert   string `name:"tls-cert" env:"KUMOI_TLS_CERT" help:"PEM file with the certificate chain of the API; turns on TLS."`
	TLSKey    string `name:"tls-key" env:"KUMOI_TLS_KEY" help:"PEM file with the key of --tls-cert."`
	TLSCA     string `name:"tls-ca" env:"KUMOI_TLS_CA" help:"PEM file with the authority that signed --tls-cert, for the credentials that openrc prints (default: the chain itself, if it ends in one)."`

	Host       string `name:"host" env:"KUMOI_HOST" help:"Name of this host in the cloud (default: its hostname)."`
	Hypervisor string `name:"hypervisor" env:"KUMOI_HYPERVISOR" enum:"libvirt,fake" default:"libvirt" help:"What runs guests: libvirt, or fake (nothing runs; for trying the API)."`
	Fabric     string `name:"fabric" env:"KUMOI_FABRIC" enum:"ovn,fake" default:"ovn" help:"What moves packets: ovn, or fake."`
	VirtType   string `name:"virt-type" env:"KUMOI_VIRT_TYPE" enum:"auto,kvm,qemu" default:"auto" help:"kvm, qemu (emulation), or auto: kvm if a guest really starts under it."`

	OutsideCIDR    string        `name:"outside-cidr" env:"KUMOI_OUTSIDE_CIDR" default:"172.24.4.0/24" help:"Addresses of the outside network; this machine takes the first one. Empty: no outside network on this host."`
	TunnelAddress  string        `name:"tunnel-address" env:"KUMOI_TUNNEL_ADDRESS" help:"Address of this host for tunnels to other hosts (default: 127.0.0.1, a cloud of one host)."`
	TunnelDevice   string        `name:"tunnel-device" env:"KUMOI_TUNNEL_DEVICE" help:"Interface that carries --tunnel-address; needed with OVS's userspace datapath only."`
	Datapath       string        `name:"datapath" env:"KUMOI_DATAPATH" enum:"auto,system,netdev" default:"auto" help:"Open vSwitch's datapath: the kernel's (system) or userspace (netdev)."`
	ImageCacheGiB  int           `name:"image-cache-gib" env:"KUMOI_IMAGE_CACHE_GIB" default:"20" help:"How much of the disk the host's cache of images may take."`
	BusListen      string        `name:"bus-listen" env:"KUMOI_BUS_LISTEN" help:"Address and port where agents of other hosts reach the bus; empty: none can."`
	OVNListen      string        `name:"ovn-listen" env:"KUMOI_OVN_LISTEN" help:"Address and port where other hosts reach OVN's southbound database, over TLS; empty: none can."`
	OVNRemote      string        `name:"ovn-remote" env:"KUMOI_OVN_REMOTE" help:"On an agent: OVN's southbound database, such as ssl:192.0.2.1:6642, if it is not where the credentials file says."`
	Join           string        `name:"join" env:"KUMOI_JOIN" type:"path" help:"On an agent: the credentials file that 'kumoi admin host add' made."`
	WebAllow       []string      `name:"web-download-allow" env:"KUMOI_WEB_DOWNLOAD_ALLOW" help:"Private address ranges that image imports by web-download may reach, such as 10.0.0.0/8; public addresses always are."`
	PolicyFile     string        `name:"policy-file" env:"KUMOI_POLICY_FILE" type:"path" help:"YAML file with policy rules that differ from the defaults; read again when it changes."`
	ConsoleTTL     time.Duration `name:"console-ttl" env:"KUMOI_CONSOLE_TTL" default:"10m" help:"How long a console may be opened at an address that was asked for; one that is open stays open."`
	LogFormat      string        `name:"log-format" env:"KUMOI_LOG_FORMAT" enum:"text,json" default:"text" help:"text or json."`
	LogLevel       string        `name:"log-level" env:"KUMOI_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" help:"debug, info, warn or error."`
	AdminPassword  string        `name:"admin-password" env:"KUMOI_ADMIN_PASSWORD" help:"Password of the first administrator (default: made at the first start, shown by 'kumoi openrc')."`
	PasswordsCheap bool          `name:"passwords-cheap" env:"KUMOI_PASSWORDS_CHEAP" hidden:"" help:"Hash passwords with the least argon2id allows; for tests."`

	ListenerSettings   `embed:""`
	IdentitySettings   `embed:""`
	FederationSettings `embed:""`

	Images  ImageSettings  `embed:"" prefix:"image-" envprefix:"KUMOI_IMAGE_"`
	Volumes VolumeSettings `embed:"" prefix:"volume-" envprefix:"KUMOI_VOLUME_"`

	// Guests is what a fake cloud runs its guests on, for tests that look into
	// it or keep it over a restart; nil makes a new one.
	Guests hypervisor.Hypervisor `kong:"-"`

	// Crash is for tests that let the process die at a moment of a saga.
	Crash func(saga.Point) bool `kong:"-"`
}

// Validate checks what the flags' enums cannot and makes paths absolute.
func (c *Config) Validate() error {
	abs, err := filepath.Abs(c.DataDir)
	if err != nil {
		return err
	}
	c.DataDir = abs
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return errs.New(errs.Invalid, "listen: %q is not ADDRESS:PORT, such as 127.0.0.1:5000", c.Listen)
	}
	if c.OutsideCIDR != "" {
		p, err := netip.ParsePrefix(c.OutsideCIDR)
		if err != nil || !p.Addr().Is4() || p.Bits() > 29 {
			return errs.New(errs.Invalid, "outside-cidr: %q is not an IPv4 range of at least 8 addresses, such as 172.24.4.0/24", c.OutsideCIDR)
		}
		c.OutsideCIDR = p.Masked().String()
	}
	if c.TunnelAddress != "" {
		if _, err := netip.ParseAddr(c.TunnelAddress); err != nil {
			return errs.New(errs.Invalid, "tunnel-address: %q is not an IP address", c.TunnelAddress)
		}
	}
	for _, text := range c.WebAllow {
		if _, err := netip.ParsePrefix(text); err != nil {
			return errs.New(errs.Invalid, "web-download-allow: %q is not an address range, such as 10.0.0.0/8", text)
		}
	}
	if err := c.ListenerSettings.validate(); err != nil {
		return err
	}
	if err := c.IdentitySettings.validate(); err != nil {
		return err
	}
	if err := c.FederationSettings.validate(); err != nil {
		return err
	}
	if err := c.Images.validate(); err != nil {
		return err
	}
	if err := c.Volumes.validate(); err != nil {
		return err
	}
	if c.ConsoleTTL < 0 {
		return errs.New(errs.Invalid, "console-ttl: %s is in the past", c.ConsoleTTL)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return errs.New(errs.Invalid, "tls-cert and tls-key belong together: give both or none")
	}
	if (c.Hypervisor == "fake") != (c.Fabric == "fake") {
		return errs.New(errs.Invalid, "hypervisor %s does not go with fabric %s: real guests need the real network, and fake ones the fake", c.Hypervisor, c.Fabric)
	}
	if c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.DataDir, "kumoi.db")
	}
	if c.Host == "" {
		if c.Host, err = os.Hostname(); err != nil {
			return err
		}
		c.Host, _, _ = strings.Cut(c.Host, ".")
	}
	if strings.ContainsAny(c.Host, " .*>/") {
		return errs.New(errs.Invalid, "host: %q must not contain blanks, dots, slashes, * or >", c.Host)
	}
	return nil
}

// Fake tells whether guests and network are pretended.
func (c *Config) Fake() bool { return c.Hypervisor == "fake" }

// path is a file or folder below the data directory.
func (c *Config) path(elem ...string) string {
	return filepath.Join(append([]string{c.DataDir}, elem...)...)
}

// AdminSocket is where the running kumoi of a data directory listens for its own command line.
func (c *Config) AdminSocket() string { return c.path("admin.sock") }

// AdminPasswordFile keeps the first administrator's password for "kumoi openrc".
func (c *Config) AdminPasswordFile() string { return c.path("admin-password") }

// AuthURL is identity's URL for clients on this machine.
func (c *Config) AuthURL() string {
	if c.PublicURL != "" {
		return strings.TrimSuffix(c.PublicURL, "/") + "/identity/v3"
	}
	scheme := "http"
	if c.TLSCert != "" {
		scheme = "https"
	}
	host, port, _ := net.SplitHostPort(c.Listen)
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/identity/v3"
}
