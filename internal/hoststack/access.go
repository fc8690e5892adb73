package hoststack

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
)

// Other hosts reach the southbound database over TLS only, and each with a key of
// its own. There is no authority: both sides hold the other's very certificate, so
// nothing but that key will do, by whatever name or address it is reached. The
// certificate's common name is the chassis' name, to which OVN's access control
// (the role ovn-controller) binds what the host may write: its own chassis and the
// ports it takes, not another's.
//
//	ovn/tls/server.{crt,key}   the database's
//	ovn/tls/hosts/NAME.crt     each host's; its key is in its credentials alone
//	ovn/tls/peers.pem          who may connect: the certificates above
//	ovn/tls/central.pem, host.{crt,key}   on a host that joined

// SBAccess is what one host needs to reach the southbound database.
type SBAccess struct {
	Remote      string `json:"remote"`      // "ssl:192.0.2.1:6642"
	Central     string `json:"central"`     // PEM: the database's certificate
	Certificate string `json:"certificate"` // PEM: this host's
	Key         string `json:"key"`         // PEM
}

func (l layout) tls(elem ...string) string {
	return filepath.Join(append([]string{l.ovn("tls")}, elem...)...)
}

// GrantSB makes the credentials of a host; earlier ones of the same name end. It
// gives nil where this cloud's southbound database takes no other hosts.
func (s *Stack) GrantSB(ctx context.Context, host string) (*SBAccess, error) {
	if !s.cfg.Central || s.cfg.SBListen == "" || s.system[ovnSB] {
		return nil, nil
	}
	s.accessMu.Lock()
	defer s.accessMu.Unlock()
	central, err := os.ReadFile(s.paths.tls("server.crt"))
	if err != nil {
		return nil, fmt.Errorf("southbound access of %s: %w", host, err)
	}
	cert, key, err := newPair(host)
	if err != nil {
		return nil, fmt.Errorf("southbound access of %s: %w", host, err)
	}
	path := s.hostCertificate(host)
	_, err = os.Stat(path)
	again := err == nil
	if err := writeWhole(path, cert); err != nil {
		return nil, err
	}
	if err := s.admit(ctx, again); err != nil {
		return nil, err
	}
	return &SBAccess{Remote: "ssl:" + s.cfg.SBListen, Central: string(central), Certificate: string(cert), Key: string(key)}, nil
}

// RevokeSB ends a host's access to the southbound database and its part in the network.
func (s *Stack) RevokeSB(ctx context.Context, host string) error {
	if !s.cfg.Central || s.system[ovnSB] {
		return nil
	}
	s.accessMu.Lock()
	defer s.accessMu.Unlock()
	err := os.Remove(s.hostCertificate(host))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = s.admit(ctx, true)
	}
	if err == nil {
		_, err = s.sbctl(ctx, "--if-exists", "chassis-del", host)
	}
	if err != nil {
		return fmt.Errorf("end the southbound access of %s: %w", host, err)
	}
	return nil
}

// admit writes down who may connect. The database learns of more by itself; to make
// it forget somebody, connections included, it is started anew.
func (s *Stack) admit(ctx context.Context, less bool) error {
	if err := s.writePeers(); err != nil || !less {
		return err
	}
	i := slices.IndexFunc(s.daemons, func(d *daemon) bool { return d.name == ovnSB })
	if i < 0 {
		return nil
	}
	if err := s.daemons[i].stop(ctx); err != nil {
		return err
	}
	return s.daemons[i].ensure(ctx)
}

func (s *Stack) hostCertificate(host string) string {
	return s.paths.tls("hosts", url.PathEscape(host)+".crt")
}

func (s *Stack) writePeers() error {
	files, err := filepath.Glob(s.paths.tls("hosts", "*.crt"))
	if err != nil {
		return err
	}
	var all bytes.Buffer
	for _, f := range append([]string{s.paths.tls("server.crt")}, files...) {
		raw, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		all.Write(raw)
	}
	return writeWhole(s.paths.tls("peers.pem"), all.Bytes())
}

// openSouthbound lets other hosts in, or shuts them out where they no longer may.
func (s *Stack) openSouthbound(ctx context.Context, _ bool) error {
	if s.cfg.SBListen == "" {
		if _, err := os.Stat(s.paths.tls("server.crt")); err != nil {
			return nil // nobody was ever let in
		}
		_, err := s.sbctl(ctx, "del-connection")
		return err
	}
	if err := os.MkdirAll(s.paths.tls("hosts"), 0o700); err != nil {
		return err
	}
	if _, err := os.Stat(s.paths.tls("server.crt")); errors.Is(err, fs.ErrNotExist) {
		cert, key, err := newPair("kumoi southbound")
		if err != nil {
			return err
		}
		if err := errors.Join(writeWhole(s.paths.tls("server.key"), key), writeWhole(s.paths.tls("server.crt"), cert)); err != nil {
			return err
		}
	}
	if err := s.writePeers(); err != nil {
		return err
	}
	_, err := s.sbctl(ctx, "set-ssl", s.paths.tls("server.key"), s.paths.tls("server.crt"), s.paths.tls("peers.pem"),
		"--", "set-connection", "role=ovn-controller", pssl(s.cfg.SBListen))
	return err
}

// takeAccess puts a joined host's credentials where ovn-controller reads them, also
// when they change under it.
func (s *Stack) takeAccess() error {
	a := s.cfg.SBAccess
	if a == nil {
		return nil
	}
	if err := os.MkdirAll(s.paths.tls(), 0o700); err != nil {
		return err
	}
	return errors.Join(
		writeWhole(s.paths.tls("host.key"), []byte(a.Key)), writeWhole(s.paths.tls("host.crt"), []byte(a.Certificate)),
		writeWhole(s.paths.tls("central.pem"), []byte(a.Central)))
}

// accessArgs are ovn-controller's options for a southbound database over TLS.
func (s *Stack) accessArgs() []string {
	if s.cfg.SBAccess == nil {
		return nil
	}
	return []string{
		"--private-key=" + s.paths.tls("host.key"), "--certificate=" + s.paths.tls("host.crt"),
		"--ca-cert=" + s.paths.tls("central.pem"),
	}
}

func (s *Stack) sbctl(ctx context.Context, args ...string) (string, error) {
	return run(ctx, s.ovsEnv(), "ovn-sbctl", append([]string{"--db=" + s.SBRemote(), "--timeout=20"}, args...)...)
}

// newPair makes a key and a certificate that vouches for itself.
func newPair(name string) (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(30, 0, 0), BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

// writeWhole writes a file that only root may read, whole or not at all.
func writeWhole(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// pssl turns "ADDR:PORT" into the form in which OVSDB listens: "pssl:PORT:ADDR".
func pssl(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "pssl:6642:" + listen
	}
	if host == "" {
		return "pssl:" + port
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return "pssl:" + port + ":" + host
}

// checkSB says what is wrong with the way to the southbound database.
func (c Config) checkSB() error {
	if !c.Host || c.Central {
		return nil
	}
	switch remote := c.sbRemote(""); {
	case remote == "":
		return errs.New(errs.Invalid, "The way to OVN's southbound database is missing: start the control plane with --ovn-listen ADDRESS:PORT and make this host's credentials anew with kumoi admin host add.")
	case strings.HasPrefix(remote, "ssl:") && c.SBAccess == nil:
		return errs.New(errs.Invalid, "The southbound database at %s takes hosts with credentials of their own only; make them with kumoi admin host add.", remote)
	}
	return nil
}
