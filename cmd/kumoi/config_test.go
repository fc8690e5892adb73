package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// parse reads the settings of "kumoi up" from a file, the environment and flags.
func parse(t *testing.T, file string, flags ...string) (*commands, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kumoi.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--config", path, "up"}, flags...)
	settings, err := loadConfig(args)
	if err != nil {
		return nil, err
	}
	var cli commands
	k, err := kong.New(&cli, kong.Resolvers(settings), kong.Exit(func(int) { t.Fatal("kong wants to exit") }),
		kong.ExplicitGroups([]kong.Group{{Key: "cloud", Title: "Settings"}}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Parse(args)
	return &cli, err
}

func TestSettingsComeFromFileEnvironmentAndFlags(t *testing.T) {
	t.Setenv("KUMOI_LOCKOUT_ATTEMPTS", "4")
	t.Setenv("KUMOI_AUDIT_LOGINS", "all")
	cli, err := parse(t, "lockout-attempts: 3\npassword-expires-days: 90\npassword-unique-last: 7\nlockout-duration: 15m\nlimit-model: strict_two_level\n", "--password-unique-last=5")
	if err != nil {
		t.Fatal(err)
	}
	s := cli.Up.IdentitySettings
	if s.LockoutAttempts != 4 || s.PasswordExpiresDays != 90 || s.PasswordUniqueLast != 5 || s.LockoutDuration != 15*time.Minute ||
		s.AuditLogins != "all" || s.LimitModel != "strict_two_level" || s.TokenTTL != time.Hour || s.AuditKeepDays != 90 {
		t.Errorf("%+v", s)
	}
	if err := cli.Up.Validate(); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct{ file, want string }{
		"unknown key":       {"lockout-attemps: 3", "unknown key"},
		"unknown model":     {"limit-model: loose", "must be one of"},
		"broken expression": {"password-regex: '('", "password-regex"},
		"less than nothing": {"list-limit: -1", "list-limit"},
		"never changeable":  {"password-expires-days: 3\npassword-minimum-age-days: 3", "password-minimum-age-days"},
	} {
		cli, err := parse(t, c.file)
		if err == nil {
			err = cli.Up.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
