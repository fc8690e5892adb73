package identity

import (
	"context"
	"net"
	"slices"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Guesses at a secret are counted for each user and factor, whatever the
// operator's lockout says, in the database: servers that share it share the
// bound. A guess is taken before it is compared, by one statement that counts
// and answers, so that a thousand at once are no more than a thousand in turn.
//
// The bound must not become a way to keep somebody out. It holds for a minute,
// and the same address has a share that is less than the whole, so that one
// attacker uses up his own; an address from which the user logged in lately is
// not asked for the whole. A one-time code beside a proved factor is counted
// apart from one alone: whoever does not know the password cannot use up the
// guesses of somebody who does.
//
// A secret that a process verified a while ago (hasher.known) passes without a
// count, unless a bound is reached: then the database decides. A process hears of
// that at once if it happens there, and within pollEvery if at another.
const (
	guessWindow    = time.Minute
	guessesAddress = 10 // of one address in a window
	guessesAll     = 50 // of all addresses that are not known
	guessesTOTP    = 5
	addressKnown   = 30 * 24 * time.Hour
)

// guessed says whose secret is tried, of which factor, and from where.
type guessed struct{ factor, subject, source string }

// Bound is how many guesses at one's secrets a source has made; "" is all.
type Bound struct {
	Factor, Source string
	Count          int64
	Since          time.Time
}

// guessFrom is a try by the request's client. Those of IPv6 have a network each.
func guessFrom(ctx context.Context, factor, subject string) guessed {
	host, _, err := net.SplitHostPort(actor.From(ctx).RemoteAddr)
	if err != nil {
		host = actor.From(ctx).RemoteAddr
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		host = ip.Mask(net.CIDRMask(64, 128)).String()
	}
	if host == "" {
		host = "unknown"
	}
	return guessed{factor, subject, host}
}

// take counts a try at a secret, and tells whether it may be made.
func (f *guesses) take(ctx context.Context, g guessed) error {
	allowed, err := family.Write(ctx, f.s.db, func(tx *store.Tx) (bool, error) {
		now := f.s.now()
		own, known, err := f.s.store.Guesses.Take(ctx, tx, g.factor, g.subject, g.source, now, now.Add(-guessWindow))
		if err != nil {
			return false, err
		}
		all := int64(0)
		if own <= guessesAddress && !known {
			if all, _, err = f.s.store.Guesses.Take(ctx, tx, g.factor, g.subject, "", now, now.Add(-guessWindow)); err != nil {
				return false, err
			}
		}
		if own == guessesAddress || all == guessesAll { // the next one is refused everywhere
			err = f.s.changed(ctx, tx, loginTag(g.subject))
		}
		return own <= guessesAddress && all <= guessesAll, err
	})
	if err == nil && !allowed {
		err = tooMany(g)
	}
	return err
}

func tooMany(g guessed) error {
	return family.Unauthorized("too many wrong guesses in the last minute: " + g.factor + " of " + g.subject)
}

// right gives back a try that was none, and remembers the address.
func (f *guesses) right(ctx context.Context, g guessed) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		return f.s.store.Guesses.Right(ctx, tx, g.factor, g.subject, g.source, f.s.now().Add(addressKnown))
	})
}

// bounds reads which bounds of a user's or an application credential's secrets
// are reached.
func (f *guesses) bounds(ctx context.Context, tx *store.Tx, subject string) ([]Bound, error) {
	rows, err := f.s.store.Guesses.Counted(ctx, tx, subject, f.s.now().Add(-guessWindow))
	return slices.DeleteFunc(rows, func(b Bound) bool {
		return b.Source == "" && b.Count < guessesAll || b.Source != "" && b.Count < guessesAddress
	}), err
}

// secret compares a secret with its hash, as often as is allowed. reached
// are the bounds that this process knows of.
func (f *guesses) secret(ctx context.Context, g guessed, reached []Bound, hash, secret string) (bool, error) {
	bound := slices.ContainsFunc(reached, func(b Bound) bool {
		return b.Factor == g.factor && (b.Source == g.source || b.Source == "") && f.s.now().Before(b.Since.Add(guessWindow))
	})
	if !bound && f.s.hasher.remembers(hash, secret, f.s.now()) {
		return true, nil
	}
	if err := f.take(ctx, g); err != nil {
		if errs.Is(err, errs.Unauthenticated) { // which takes as long as any other refusal
			if !bound { // the others' word is still on its way
				f.s.watch.mark(loginTag(g.subject))
			}
			if perr := f.s.hasher.pretend(ctx, secret); perr != nil {
				return false, perr
			}
		}
		return false, err
	}
	right, err := f.s.hasher.verify(ctx, hash, secret, f.s.now())
	if err == nil && right {
		err = f.right(ctx, g)
	}
	return right, err
}
