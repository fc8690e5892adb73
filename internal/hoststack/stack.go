package hoststack

import (
	"context"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"

	"kumoi/internal/kernel/errs"
)

// Stack is the running set of programs below a control plane, a host, or both.
type Stack struct {
	cfg      Config
	paths    layout
	log      *slog.Logger
	system   map[string]bool // components that systemd runs
	datapath Datapath
	qemu     qemuUser

	daemons []*daemon // ours, in start order

	accessMu   sync.Mutex // one change of who may reach the southbound database at a time
	stateMu    sync.Mutex
	outsideMu  sync.Mutex
	outsideErr error // why guests may not reach beyond the machine

	ctx      context.Context // ends with Close
	stop     context.CancelFunc
	watching sync.WaitGroup
}

// Up brings the stack to life: what runs is adopted, what does not is started, and
// all of it is configured. It is safe to call again at any time. The returned
// stack watches its daemons until Close.
func Up(ctx context.Context, cfg Config) (*Stack, error) {
	s, err := newStack(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 && (s.cfg.Host || s.cfg.Central) {
		return nil, errs.New(errs.Forbidden, "Only root can start Open vSwitch, OVN and libvirt; run kumoi as root, or use --hypervisor fake --fabric fake.")
	}
	if err := s.paths.create(); err != nil {
		return nil, err
	}
	if err := s.takeAccess(); err != nil {
		return nil, err
	}
	if s.cfg.Host {
		if s.datapath, err = s.detectDatapath(ctx); err != nil {
			return nil, err
		}
		s.qemu = s.chooseQEMUUser()
	}
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.startAll(ctx); err != nil {
		s.Close()
		return nil, err
	}
	s.watch()
	return s, nil
}

func newStack(ctx context.Context, cfg Config) (*Stack, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &Stack{
		cfg:    cfg,
		paths:  newLayout(cfg.DataDir),
		log:    cfg.Log.With("component", "hoststack"),
		system: systemComponents(systemdActive(ctx)),
	}, nil
}

// startAll starts the independent chains side by side: the databases with northd
// on them, the switch with its controller, and libvirt.
func (s *Stack) startAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if s.cfg.Central {
		nb, sb, north := s.own(s.northbound()), s.own(s.southbound()), s.own(s.northd())
		g.Go(func() error {
			var databases errgroup.Group
			databases.Go(func() error { return nb.ensureOwn(ctx) })
			databases.Go(func() error { return sb.ensureOwn(ctx) })
			if err := databases.Wait(); err != nil {
				return err
			}
			return north.ensureOwn(ctx)
		})
	}
	if s.cfg.Host {
		db, sw, control := s.own(s.switchDatabase()), s.own(s.vswitchd()), s.own(s.controller())
		logd, virt := s.own(s.virtlogd()), s.own(s.libvirtd())
		g.Go(func() error {
			if err := db.ensureOwn(ctx); err != nil {
				return err
			}
			if err := s.checkForeignBridges(ctx); err != nil {
				return err
			}
			if err := s.configureSwitch(ctx); err != nil {
				return err
			}
			if err := sw.ensureOwn(ctx); err != nil {
				return err
			}
			if sw == nil { // the system's own vswitchd
				if err := s.ensureNetwork(ctx); err != nil {
					return err
				}
			}
			return control.ensureOwn(ctx)
		})
		g.Go(func() error { return logd.ensureOwn(ctx) })
		g.Go(func() error { return virt.ensureOwn(ctx) })
	}
	return g.Wait()
}

// own registers a daemon of ours; it gives nil for one that the system runs.
func (s *Stack) own(d *daemon) *daemon {
	if s.system[d.name] {
		return nil
	}
	s.daemons = append(s.daemons, d)
	return d
}

func (d *daemon) ensureOwn(ctx context.Context) error {
	if d == nil {
		return nil
	}
	return d.ensure(ctx)
}

// switchDatabase is the ovsdb-server behind vswitchd.
func (s *Stack) switchDatabase() *daemon {
	dir := s.paths.ovs("")
	return s.database(ovsdbServer, dir, "db", "conf.db", vswitchSchema, "punix:"+s.paths.ovs("db.sock"))
}

// NBRemote is the northbound database, as libovsdb and ovn-nbctl name it.
func (s *Stack) NBRemote() string {
	return "unix:" + s.either(ovnNB, systemNBSocket, s.paths.ovn("nb.sock"))
}

// SBRemote is the southbound database on this machine.
func (s *Stack) SBRemote() string {
	return "unix:" + s.either(ovnSB, systemSBSocket, s.paths.ovn("sb.sock"))
}

// OVSRemote is the switch's own database, for ovs-vsctl --db and libovsdb.
func (s *Stack) OVSRemote() string { return s.ovsRemote() }

func (s *Stack) ovsRemote() string {
	return "unix:" + s.either(ovsdbServer, systemOVSSocket, s.paths.ovs("db.sock"))
}

// LibvirtSocket is the path of libvirt's read-write socket.
func (s *Stack) LibvirtSocket() string {
	return s.either(libvirtd, systemLibvirtSocket, s.paths.libvirt("run/libvirt-sock"))
}

// LibvirtDir is what libvirtd sees as /var/lib/libvirt.
func (s *Stack) LibvirtDir() string {
	return s.either(libvirtd, "/var/lib/libvirt", s.paths.libvirt("lib"))
}

func (s *Stack) either(component, system, own string) string {
	if s.system[component] {
		return system
	}
	return own
}

// Datapath is the one in use. With DatapathNetdev, a guest's interface needs its
// checksum and segmentation offloads turned off.
func (s *Stack) Datapath() Datapath { return s.datapath }

// OVSEnv makes tools of OVS and OVN, run as child processes, meet this stack.
func (s *Stack) OVSEnv() []string { return s.ovsEnv() }

// Close stops watching. The programs and the guests go on.
func (s *Stack) Close() {
	s.stop()
	s.watching.Wait()
}

// QEMUIDs are the user and group that guests run as.
func (s *Stack) QEMUIDs() (uid, gid int) { return s.qemu.uid, s.qemu.gid }
