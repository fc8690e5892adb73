package identity

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/dlclark/regexp2"
)

// Config is what an operator may choose. The zero value means the defaults.
type Config struct {
	TokenTTL           time.Duration // 1 h
	AllowExpiredWindow time.Duration // how long services may use an expired token: 48 h
	ReceiptTTL         time.Duration // 5 min
	SessionIdle        time.Duration // how long a browser's session lasts without a token: 1 h
	SessionLife        time.Duration // how long it lasts at all: 12 h
	PasswordMemory     time.Duration // how long a verified password is remembered: 5 min; negative: not at all
	CacheSize          int           // entries of each cache: 20,000
	MaxProjectDepth    int           // levels of projects below a domain: 5
	MaxRedelegation    int           // of trusts: 3
	ListLimit          int           // the most rows in a list; 0: no limit
	StrictLimits       bool          // limits model: strict two level instead of flat
	AuditLogins        bool          // successful logins go into the audit trail too, not only failed ones
	TOTPAlone          bool          // a one-time code is a login by itself, not only a further factor
	TrustedDashboards  []string      // where single sign-on may deliver tokens
	Passwords          PasswordRules
	// Hash costs of argon2id; 0 means 19 MiB and two passes.
	HashMemory, HashTime uint32
}

// PasswordRules are Keystone's security compliance options. The zero value asks nothing.
type PasswordRules struct {
	Regex              string        // what a password must match from its beginning, in Perl's and Python's words
	RegexDescription   string        // said to users instead of the expression
	ExpiresAfter       time.Duration // a password's life
	MinimumAge         time.Duration // before its owner may change it again
	UniqueLast         int           // how many passwords must differ, the present one included
	LockoutAttempts    int           // failures in a row that lock a user
	LockoutFor         time.Duration // 0: until an administrator helps
	DisableInactive    time.Duration // without a login this long
	ChangeUponFirstUse bool          // what an administrator set must be changed
	regex              *regexp2.Regexp
}

// matchTime bounds the search for a match, which may take long by the nature of
// expressions that look ahead.
const matchTime = 200 * time.Millisecond

// CompilePasswordRegex compiles what PasswordRules.Regex may be.
func CompilePasswordRegex(text string) (*regexp2.Regexp, error) {
	re, err := regexp2.Compile(`\A(?:`+text+`)`, regexp2.None)
	if err == nil {
		re.MatchTimeout = matchTime
	}
	return re, err
}

func (c *Config) setDefaults() error {
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	orInt := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	orDuration(&c.TokenTTL, time.Hour)
	orDuration(&c.AllowExpiredWindow, 48*time.Hour)
	orDuration(&c.ReceiptTTL, 5*time.Minute)
	orDuration(&c.SessionIdle, time.Hour)
	orDuration(&c.SessionLife, 12*time.Hour)
	orDuration(&c.PasswordMemory, 5*time.Minute)
	orInt(&c.CacheSize, 20_000)
	orInt(&c.MaxProjectDepth, 5)
	orInt(&c.MaxRedelegation, 3)
	if c.StrictLimits {
		c.MaxProjectDepth = 1 // the two levels are domains and their projects
	}
	if c.Passwords.Regex != "" {
		re, err := CompilePasswordRegex(c.Passwords.Regex)
		if err != nil {
			return fmt.Errorf("password rules: regex %q: %w", c.Passwords.Regex, err)
		}
		c.Passwords.regex = re
	}
	return nil
}

func (c *Config) argon() argonParams {
	p := argonParams{memory: 19 * 1024, time: 2, threads: 1}
	if c.HashMemory != 0 {
		p.memory = c.HashMemory
	}
	if c.HashTime != 0 {
		p.time = c.HashTime
	}
	return p
}

// LoadMasterKey reads the key at path, or makes one, readable by its owner
// only. All servers of one cloud need the same file.
func LoadMasterKey(path string) (key [32]byte, err error) {
	b, err := os.ReadFile(path)
	switch {
	case err == nil && len(b) != len(key):
		return key, fmt.Errorf("master key %s: it has %d bytes, not %d", path, len(b), len(key))
	case err == nil:
		copy(key[:], b)
		return key, nil
	case !errors.Is(err, fs.ErrNotExist):
		return key, fmt.Errorf("master key: %w", err)
	}
	rand.Read(key[:])
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return key, fmt.Errorf("master key: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return key, fmt.Errorf("master key: %w", err)
	}
	_, err = f.Write(key[:])
	return key, errors.Join(err, f.Sync(), f.Close())
}
