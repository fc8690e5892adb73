package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238's default, which authenticator apps use
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/store"
)

const (
	// TOTPStep is how long a code is shown.
	TOTPStep = 30 * time.Second
	// totpBack accepts the code of the step before as well: clocks differ.
	totpBack = 1
)

// TOTPCode is the code that an authenticator shows for a base32 seed at a moment.
func TOTPCode(seed string, at time.Time) (string, error) {
	secret, err := decodeSeed(seed)
	if err != nil {
		return "", err
	}
	return totpCode(secret, at.Unix()/int64(TOTPStep/time.Second)), nil
}

func decodeSeed(seed string) ([]byte, error) {
	return base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.TrimRight(strings.ToUpper(strings.TrimSpace(seed)), "="))
}

// totpCode is the six-digit code of RFC 6238 for a moment.
func totpCode(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(step))
	mac.Write(b[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[at:at+4]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// check proves a one-time code of one of the user's TOTP credentials. A
// code counts once. Behind a method that has proved the same user, guesses are
// counted apart from those of anybody.
func (f *oneTimeCodes) check(ctx context.Context, a *PasswordAuth, before *proof) (loginUser, error) {
	id, err := f.s.findUser(ctx, a.User)
	if err != nil {
		return loginUser{}, err
	}
	l, err := f.s.loginUser(ctx, id)
	if err != nil {
		return l, err
	}
	if f.s.passwords.locked(l.user) {
		return l, family.Unauthorized("the account is locked after failed logins: " + id)
	}
	factor := TOTPMethod + " alone"
	if proved := before.user.user.ID; proved == id {
		factor = TOTPMethod
	} else if proved != "" {
		return l, family.Unauthorized("the methods speak of different users")
	}
	seeds, err := f.seedsOf(ctx, id)
	if err != nil {
		return l, err
	}
	verdict, err := family.Write(ctx, f.s.db, func(tx *store.Tx) (error, error) { return f.try(ctx, tx, factor, id, seeds, a.Secret) })
	if err != nil {
		return l, err
	}
	if verdict != nil {
		if err := f.s.passwords.recordLogin(ctx, id, false); err != nil {
			return l, err
		}
	}
	return l, verdict
}

// seedsOf are a user's TOTP secrets, by the credential that keeps each.
func (f *oneTimeCodes) seedsOf(ctx context.Context, userID string) (map[string][]byte, error) {
	rows, err := family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Credential, error) {
		return family.Find(ctx, tx, f.s.store.Credentials, store.Eq("user_id", userID), store.Eq("type", TOTPMethod))
	})
	if err != nil {
		return nil, err
	}
	seeds := map[string][]byte{}
	for _, c := range rows {
		if c, err = f.s.Credentials.open(ctx, c); err != nil {
			return nil, err
		}
		if secret, err := decodeSeed(c.Blob); err == nil {
			seeds[c.ID] = secret
		}
	}
	return seeds, nil
}

// try counts the guess, compares and spends the code in one transaction, so
// that however many come at once, no more than allowed are compared. The first
// error is the verdict, which is committed.
func (f *oneTimeCodes) try(ctx context.Context, tx *store.Tx, factor, userID string, seeds map[string][]byte, code string) (verdict, err error) {
	now := f.s.now()
	n, _, err := f.s.store.Guesses.Take(ctx, tx, factor, userID, "", now, now.Add(-guessWindow))
	if err != nil {
		return nil, err
	}
	if n > guessesTOTP {
		return tooMany(guessed{factor: factor, subject: userID}), nil
	}
	at := now.Unix() / int64(TOTPStep/time.Second)
	for id, secret := range seeds {
		for step := at - totpBack; step <= at; step++ {
			if subtle.ConstantTimeCompare([]byte(totpCode(secret, step)), []byte(code)) == 0 {
				continue
			}
			first, err := f.s.store.Users.UseOnce(ctx, tx, fmt.Sprintf("totp/%s/%d", id, step), now.Add(4*TOTPStep))
			if err == nil && !first {
				return family.Unauthorized("the one-time code was used before"), nil
			}
			if err == nil {
				err = f.s.store.Guesses.Right(ctx, tx, factor, userID, "", time.Time{})
			}
			return nil, err
		}
	}
	return family.Unauthorized("wrong one-time code for user " + userID), nil
}
