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

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

const (
	totpStep = 30 * time.Second
	// totpBack accepts the code of the step before as well: clocks differ.
	totpBack = 1
)

// TOTPCode is the code that an authenticator shows for a base32 seed at a moment.
func TOTPCode(seed string, at time.Time) (string, error) {
	secret, err := decodeSeed(seed)
	if err != nil {
		return "", err
	}
	return totpCode(secret, at.Unix()/int64(totpStep/time.Second)), nil
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

// checkTOTP proves a one-time code of one of the user's TOTP credentials. A
// code counts once.
func (s *Service) checkTOTP(ctx context.Context, a *PasswordAuth) (loginUser, error) {
	id, err := s.findUser(ctx, a.User)
	if err != nil {
		return loginUser{}, err
	}
	l, err := s.loginUser(ctx, id)
	if err != nil {
		return l, err
	}
	if s.locked(l.user) {
		return l, unauthorized("the account is locked after failed logins: " + id)
	}
	rows, err := read(ctx, s, func(tx *store.Tx) ([]Credential, error) {
		return s.store.Credentials.List(ctx, tx, Query{Where: []Match{Eq("user_id", id), Eq("type", "totp")}})
	})
	if err != nil {
		return l, err
	}
	now := s.now().Unix() / int64(totpStep/time.Second)
	for _, c := range rows {
		if c, err = s.openCredential(ctx, c); err != nil {
			return l, err
		}
		secret, err := decodeSeed(c.Blob)
		if err != nil {
			continue
		}
		for step := now - totpBack; step <= now; step++ {
			if subtle.ConstantTimeCompare([]byte(totpCode(secret, step)), []byte(a.Secret)) == 1 {
				return l, s.spendCode(ctx, c.ID, step)
			}
		}
	}
	if err := s.recordLogin(ctx, id, false); err != nil {
		return l, err
	}
	return l, unauthorized("wrong one-time code for user " + id)
}

func (s *Service) spendCode(ctx context.Context, credential string, step int64) error {
	first, err := write(ctx, s, func(tx *store.Tx) (bool, error) {
		return s.store.Users.UseOnce(ctx, tx, fmt.Sprintf("totp/%s/%d", credential, step), s.now().Add(4*totpStep))
	})
	if err == nil && !first {
		err = unauthorized("the one-time code was used before")
	}
	if errs.Is(err, errs.Exists) {
		err = unauthorized("the one-time code was used before")
	}
	return err
}
