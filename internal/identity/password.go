package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"kumoi/internal/kernel/errs"
)

// argonParams are argon2id's costs, stored with each hash so that they can be
// raised later without breaking what exists.
type argonParams struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
}

const (
	saltLen = 16
	hashLen = 32
	// maxPasswordLen keeps a long text from being a cheap way to use our time.
	maxPasswordLen = 4096
)

// hasher makes and checks password hashes. As many run at once as there are
// processors; the others wait, so that a flood of logins cannot use up memory.
type hasher struct {
	params argonParams
	slots  chan struct{}
	key    []byte // of this process; what is remembered is worthless elsewhere
	mu     sync.Mutex
	known  map[[sha256.Size]byte]time.Time
	keep   time.Duration
	dummy  string
	tidy   *time.Timer // gives memory back; nil where hashes take little
}

// A hash takes far more memory than all else that an idle cloud holds. It goes
// back to the system soon after the last one, instead of minutes later.
const (
	tidyAfter = 3 * time.Second
	tidyFrom  = 4 << 10 // KiB
)

const maxKnownPasswords = 100_000

func newHasher(p argonParams, keep time.Duration) *hasher {
	h := &hasher{
		params: p, keep: keep, slots: make(chan struct{}, runtime.NumCPU()),
		key: make([]byte, sha256.Size), known: map[[sha256.Size]byte]time.Time{},
	}
	if p.memory >= tidyFrom {
		h.tidy = time.AfterFunc(tidyAfter, debug.FreeOSMemory)
	}
	rand.Read(h.key)
	salt := make([]byte, saltLen)
	h.dummy = h.format(p, salt, make([]byte, hashLen))
	return h
}

func (h *hasher) format(p argonParams, salt, hash []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads, b64(salt), b64(hash))
}

func (h *hasher) run(ctx context.Context, f func()) error {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.slots }()
	f()
	if h.tidy != nil {
		h.tidy.Reset(tidyAfter)
	}
	return nil
}

// hash makes a new hash with a salt of its own.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if len(password) > maxPasswordLen {
		return "", errs.New(errs.Invalid, "The password is longer than %d bytes.", maxPasswordLen)
	}
	salt := make([]byte, saltLen)
	rand.Read(salt)
	var sum []byte
	err := h.run(ctx, func() {
		sum = argon2.IDKey([]byte(password), salt, h.params.time, h.params.memory, h.params.threads, hashLen)
	})
	return h.format(h.params, salt, sum), err
}

// mark is a MAC of hash and password: a changed hash never matches.
func (h *hasher) mark(stored, password string) (id [sha256.Size]byte) {
	mac := hmac.New(sha256.New, h.key)
	mac.Write([]byte(stored))
	mac.Write([]byte{0})
	mac.Write([]byte(password))
	mac.Sum(id[:0])
	return id
}

// remembers tells whether a password was right a while ago.
func (h *hasher) remembers(stored, password string, now time.Time) bool {
	if len(password) > maxPasswordLen {
		return false
	}
	id := h.mark(stored, password)
	h.mu.Lock()
	defer h.mu.Unlock()
	until, ok := h.known[id]
	return ok && now.Before(until)
}

// verify checks a password against a hash, and remembers one that is right.
func (h *hasher) verify(ctx context.Context, stored, password string, now time.Time) (bool, error) {
	if len(password) > maxPasswordLen {
		return false, nil
	}
	if h.remembers(stored, password, now) {
		return true, nil
	}
	right, err := h.compare(ctx, stored, password)
	if err == nil && right && h.keep > 0 {
		h.mu.Lock()
		if len(h.known) >= maxKnownPasswords {
			clear(h.known)
		}
		h.known[h.mark(stored, password)] = now.Add(h.keep)
		h.mu.Unlock()
	}
	return right, err
}

// pretend takes as long as a verification; for users that do not exist.
func (h *hasher) pretend(ctx context.Context, password string) error {
	_, err := h.compare(ctx, h.dummy, password)
	return err
}

func (h *hasher) compare(ctx context.Context, stored, password string) (bool, error) {
	p, salt, want, ok := parseHash(stored)
	if !ok || len(password) > maxPasswordLen {
		return false, nil
	}
	var got []byte
	err := h.run(ctx, func() {
		got = argon2.IDKey([]byte(password), salt, p.time, p.memory, p.threads, uint32(len(want)))
	})
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1, err
}

func parseHash(stored string) (p argonParams, salt, hash []byte, ok bool) {
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return p, nil, nil, false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	hash, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	ok = err1 == nil && err2 == nil && len(hash) > 0 && p.time > 0 && p.threads > 0
	return p, salt, hash, ok
}
