package bus

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"kumoi/internal/kernel/errs"
)

// hosts knows who may connect. It is the server's authentication: a client
// names its public key and proves it by signing the server's nonce. Only
// public keys are stored, so the file betrays nothing.
type hosts struct {
	path    string
	control string // public key of the control plane

	mu   sync.Mutex
	keys map[string]string // host → public key
}

func openHosts(path, control string) (*hosts, error) {
	h := &hosts{path: path, control: control, keys: map[string]string{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &h.keys)
	}
	if err != nil {
		return nil, fmt.Errorf("bus: hosts' keys in %s: %w", path, err)
	}
	return h, nil
}

// Check implements server.Authentication.
func (h *hosts) Check(c server.ClientAuthentication) bool {
	opts := c.GetOpts()
	if c.Kind() != server.CLIENT || !signed(opts.Nkey, opts.Sig, c.GetNonce()) {
		return false
	}
	if opts.Nkey == h.control {
		c.RegisterUser(&server.User{Username: "control"})
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, key := range h.keys {
		if key == opts.Nkey {
			c.RegisterUser(&server.User{Username: "host " + name, Permissions: permissions(name)})
			return true
		}
	}
	return false
}

func signed(key, sig string, nonce []byte) bool {
	raw, err := base64.RawURLEncoding.DecodeString(sig)
	if err != nil {
		return false
	}
	public, err := nkeys.FromPublicKey(key)
	return err == nil && public.Verify(nonce, raw) == nil
}

// permissions are the subjects of one host; see the package's comment.
func permissions(name string) *server.Permissions {
	token := Token(name)
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"kumoi.report." + token + ".>", "kumoi.control." + token + ".>"}},
		Subscribe: &server.SubjectPermission{Allow: []string{"kumoi.host." + token + ".>", inboxPrefix(name) + ".>"}},
		// Any number of answers to a request, as long as the longest work of a
		// host takes: who asked does not listen longer than it wants.
		Response: &server.ResponsePermission{MaxMsgs: -1, Expires: 6 * time.Hour},
	}
}

func inboxPrefix(host string) string { return "_INBOX_" + Token(host) }

// set gives a host a key and returns the one it had.
func (h *hosts) set(name, key string) (old string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := maps.Clone(h.keys)
	next[name] = key
	return h.keys[name], h.save(next)
}

// remove forgets a host and returns the key it had.
func (h *hosts) remove(name string) (old string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	old, ok := h.keys[name]
	if !ok {
		return "", errs.New(errs.NotFound, "Host %s has no credentials.", name)
	}
	next := maps.Clone(h.keys)
	delete(next, name)
	return old, h.save(next)
}

// save replaces the file as a whole, then the keys in memory.
func (h *hosts) save(keys map[string]string) error {
	data, err := json.MarshalIndent(keys, "", "  ")
	if err != nil {
		return fmt.Errorf("save hosts' keys: %w", err)
	}
	if err := writeFile(h.path, append(data, '\n')); err != nil {
		return fmt.Errorf("save hosts' keys: %w", err)
	}
	h.keys = keys
	return nil
}

func (h *hosts) names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.keys))
}

// writeFile writes a file that only its owner may read, whole or not at all.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
