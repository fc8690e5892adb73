package hoststack

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"kumoi/internal/kernel/errs"
)

// Datapath says what moves the packets of Open vSwitch.
type Datapath string

const (
	DatapathAuto   Datapath = "auto"   // the kernel's where it has the module, else userspace
	DatapathSystem Datapath = "system" // the kernel module
	DatapathNetdev Datapath = "netdev" // userspace; works in any kernel and container
)

// The integration bridge, where guests are plugged in, and its name for the
// physical network behind the outside bridge.
const (
	IntegrationBridge = "br-int"
	OutsideNetwork    = "outside"
	underlayBridge    = "kumoi-phy"
)

// Config says which parts of the stack this machine carries and how they meet the
// rest of the cloud. DataDir is the only field without a default.
type Config struct {
	DataDir string // absolute; everything lives below it

	Central bool // OVN's northbound and southbound databases and northd
	Host    bool // Open vSwitch, ovn-controller, libvirtd, virtlogd

	HostName string // how OVN and clients name this host; default os.Hostname
	SystemID string // the chassis' identity; default HostName

	SBListen string    // "ADDR:PORT" where remote chassis reach the southbound database; empty: unix socket only
	SBAccess *SBAccess // on a host whose central is elsewhere: how it gets in
	SBRemote string    // an OVSDB remote ("ssl:192.0.2.1:6642") that goes before SBAccess' own

	EncapIP           netip.Addr // this host's end of the tunnels; default 127.0.0.1
	UnderlayInterface string     // with the userspace datapath, the interface that carries EncapIP

	OutsideBridge string       // default br-kumoi
	OutsideCIDR   netip.Prefix // the machine's own way to floating IPs; its first address goes on the bridge

	Datapath Datapath     // default auto
	Log      *slog.Logger `json:"-"`
}

func (c Config) withDefaults() Config {
	if c.HostName == "" {
		c.HostName, _ = os.Hostname()
	}
	if c.SystemID == "" {
		c.SystemID = c.HostName
	}
	if c.OutsideBridge == "" {
		c.OutsideBridge = "br-kumoi"
	}
	if c.Datapath == "" {
		c.Datapath = DatapathAuto
	}
	if !c.EncapIP.IsValid() {
		c.EncapIP = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	switch {
	case !filepath.IsAbs(c.DataDir):
		return errs.New(errs.Invalid, "The data directory must be an absolute path, not %q.", c.DataDir)
	case strings.ContainsAny(c.DataDir, " \t\n\"'\\:,"):
		return errs.New(errs.Invalid, "The data directory %q holds a character that Open vSwitch or libvirt cannot carry in a path; choose a plain one.", c.DataDir)
	case c.Host && c.SystemID == "":
		return errs.New(errs.Invalid, "The host has no name; set one with hostname(1) or in the configuration.")
	case len(c.OutsideBridge) > 15:
		return errs.New(errs.Invalid, "The bridge name %q is longer than the 15 characters an interface may have.", c.OutsideBridge)
	}
	if err := c.checkSB(); err != nil {
		return err
	}
	switch c.Datapath {
	case DatapathAuto, DatapathSystem, DatapathNetdev:
	default:
		return errs.New(errs.Invalid, "The datapath is auto, system or netdev, not %q.", c.Datapath)
	}
	return nil
}

// sbRemote is where this host's ovn-controller finds the southbound database.
func (c Config) sbRemote(local string) string {
	switch {
	case c.SBRemote != "":
		return c.SBRemote
	case c.SBAccess != nil:
		return c.SBAccess.Remote
	}
	return local
}

// hostUUID is libvirt's identity of the host: derived, so that it never changes
// and needs neither /etc/machine-id nor a readable SMBIOS table.
func (c Config) hostUUID() string {
	sum := sha256.Sum256([]byte("kumoi host " + c.SystemID + " " + c.DataDir))
	b := sum[:16]
	b[6] = b[6]&0x0f | 0x50
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b)
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}
