package app

import (
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
)

// IdentitySettings are the settings of identity and the audit trail.
type IdentitySettings struct {
	TokenTTL        time.Duration `name:"token-ttl" env:"KUMOI_TOKEN_TTL" default:"1h" help:"How long a token is valid."`
	ExpiredWindow   time.Duration `name:"allow-expired-window" env:"KUMOI_ALLOW_EXPIRED_WINDOW" default:"48h" help:"How long after its end services may still use a user's token."`
	SessionIdle     time.Duration `name:"session-idle" env:"KUMOI_SESSION_IDLE" default:"1h" help:"How long a login of the web page lasts while no page of it is open."`
	SessionLife     time.Duration `name:"session-life" env:"KUMOI_SESSION_LIFE" default:"12h" help:"How long a login of the web page lasts at all."`
	MaxProjectDepth int           `name:"max-project-depth" env:"KUMOI_MAX_PROJECT_DEPTH" default:"5" help:"Levels of projects below a domain."`
	ListLimit       int           `name:"list-limit" env:"KUMOI_LIST_LIMIT" help:"The most rows in one answer of an identity list, which then says that it is truncated; 0: no limit."`
	LimitModel      string        `name:"limit-model" env:"KUMOI_LIMIT_MODEL" enum:"flat,strict_two_level" default:"flat" help:"How unified limits of a project relate to its parent's: flat, or strict_two_level."`

	PasswordRegex       string        `name:"password-regex" env:"KUMOI_PASSWORD_REGEX" help:"Regular expression that passwords must match from their beginning, such as ^(?=.*\\d)(?=.*[a-zA-Z]).{7,}$ (letters and digits, seven at least)."`
	PasswordRegexText   string        `name:"password-regex-description" env:"KUMOI_PASSWORD_REGEX_DESCRIPTION" help:"What users are told instead of --password-regex."`
	PasswordExpiresDays int           `name:"password-expires-days" env:"KUMOI_PASSWORD_EXPIRES_DAYS" help:"Days after which a password must be changed; 0: never."`
	PasswordMinimumDays int           `name:"password-minimum-age-days" env:"KUMOI_PASSWORD_MINIMUM_AGE_DAYS" help:"Days before a user may change a password again; 0: at once."`
	PasswordUniqueLast  int           `name:"password-unique-last" env:"KUMOI_PASSWORD_UNIQUE_LAST" help:"How many passwords in a row must differ, the present one included; 0: none."`
	PasswordFirstUse    bool          `name:"password-change-upon-first-use" env:"KUMOI_PASSWORD_CHANGE_UPON_FIRST_USE" help:"A password that an administrator set must be changed by its user."`
	LockoutAttempts     int           `name:"lockout-attempts" env:"KUMOI_LOCKOUT_ATTEMPTS" help:"Failed logins in a row that lock a user out; 0: any number is allowed."`
	LockoutDuration     time.Duration `name:"lockout-duration" env:"KUMOI_LOCKOUT_DURATION" default:"30m" help:"How long a lockout lasts; 0: until an administrator helps."`
	TOTPAlone           bool          `name:"totp-alone" env:"KUMOI_TOTP_ALONE" help:"Let a one-time code be a login by itself; without it, it counts beside another method only."`
	InactiveDays        int           `name:"disable-inactive-days" env:"KUMOI_DISABLE_INACTIVE_DAYS" help:"Days without a login after which a user cannot log in any more; 0: never."`

	AuditKeepDays int    `name:"audit-keep-days" env:"KUMOI_AUDIT_KEEP_DAYS" default:"90" help:"Days that events of the audit trail are kept."`
	AuditMost     int    `name:"audit-keep-most" env:"KUMOI_AUDIT_KEEP_MOST" default:"1000000" help:"How many events of each outcome, success and failure, are kept."`
	AuditLogins   string `name:"audit-logins" env:"KUMOI_AUDIT_LOGINS" enum:"failed,all" default:"failed" help:"Which logins the audit trail records: failed, or all."`
}

const day = 24 * time.Hour

func (s *IdentitySettings) validate() error {
	if _, err := identity.CompilePasswordRegex(s.PasswordRegex); err != nil {
		return errs.Wrap(errs.Invalid, err, "password-regex: %q is not a regular expression", s.PasswordRegex)
	}
	for name, d := range map[string]time.Duration{"session-idle": s.SessionIdle, "session-life": s.SessionLife} {
		if d < 0 {
			return errs.New(errs.Invalid, "%s: %s is in the past", name, d)
		}
	}
	for name, n := range map[string]int{
		"max-project-depth": s.MaxProjectDepth, "list-limit": s.ListLimit, "password-expires-days": s.PasswordExpiresDays,
		"password-minimum-age-days": s.PasswordMinimumDays, "password-unique-last": s.PasswordUniqueLast, "lockout-attempts": s.LockoutAttempts,
		"disable-inactive-days": s.InactiveDays, "audit-keep-days": s.AuditKeepDays, "audit-keep-most": s.AuditMost,
	} {
		if n < 0 {
			return errs.New(errs.Invalid, "%s: %d is less than 0", name, n)
		}
	}
	if s.PasswordExpiresDays > 0 && s.PasswordMinimumDays >= s.PasswordExpiresDays {
		return errs.New(errs.Invalid, "password-minimum-age-days: %d must be less than password-expires-days, %d: nobody could ever change a password",
			s.PasswordMinimumDays, s.PasswordExpiresDays)
	}
	return nil
}

func (s *IdentitySettings) config() identity.Config {
	return identity.Config{
		TokenTTL: s.TokenTTL, AllowExpiredWindow: s.ExpiredWindow, SessionIdle: s.SessionIdle, SessionLife: s.SessionLife, MaxProjectDepth: s.MaxProjectDepth, ListLimit: s.ListLimit,
		StrictLimits: s.LimitModel == "strict_two_level", AuditLogins: s.AuditLogins == "all", TOTPAlone: s.TOTPAlone,
		Passwords: identity.PasswordRules{
			Regex: s.PasswordRegex, RegexDescription: s.PasswordRegexText, ExpiresAfter: time.Duration(s.PasswordExpiresDays) * day,
			MinimumAge: time.Duration(s.PasswordMinimumDays) * day, UniqueLast: s.PasswordUniqueLast, ChangeUponFirstUse: s.PasswordFirstUse,
			LockoutAttempts: s.LockoutAttempts, LockoutFor: s.LockoutDuration, DisableInactive: time.Duration(s.InactiveDays) * day,
		},
	}
}

func (s *IdentitySettings) audit(host string) audit.Config {
	return audit.Config{Host: host, Keep: time.Duration(s.AuditKeepDays) * day, Most: s.AuditMost}
}
