// Package isotime reads times as OpenStack's services do: every form of ISO
// 8601 that oslo's parse_isotime takes, and no other.
package isotime

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
)

// form is a date, with or without dashes, cut off behind any part of it, then
// perhaps a time, with or without colons and likewise cut off, then perhaps a
// zone. A fraction follows seconds, behind a point or a comma.
var form = regexp.MustCompile(`^(\d{4})` +
	`(?:-(\d{1,2})(?:-?(\d{1,2}))?|(\d{2})-?(\d{2}))?` +
	`(?:[ T](\d{2})(?::?(\d{2})(?::?(\d{1,2})(?:[.,](\d+))?)?)?(Z|[-+]\d{2}:?(?:\d{2})?)?)?$`)

// Parse reads a time. One without a zone is in UTC; what is not said of it is
// its beginning: "2026-11" is the first of November at midnight.
//
// Blanks and plus signs change into each other on their way through a URL. Where
// one of them cannot be, it is taken for the other.
func Parse(text string) (time.Time, error) {
	bad := errs.New(errs.Invalid, "%.100q is not a time in ISO 8601 form, such as 2026-01-31T12:00:00Z.", text)
	m := form.FindStringSubmatch(unmangled(strings.TrimSpace(text)))
	if m == nil {
		return time.Time{}, bad
	}
	part := func(text string, unsaid int) int {
		if n, err := strconv.Atoi(text); err == nil {
			return n
		}
		return unsaid
	}
	year, month, day := part(m[1], 0), part(m[2]+m[4], 1), part(m[3]+m[5], 1)
	hour, minute, second := part(m[6], 0), part(m[7], 0), part(m[8], 0)
	if m[3] == "" && m[5] == "" && m[6] != "" { // a time of no day
		return time.Time{}, bad
	}
	nanos := part((m[9] + "000000000")[:9], 0)
	zone, ok := location(m[10])
	t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, zone)
	// time.Date takes the 31st of June for the first of July.
	if !ok || year == 0 || t.Month() != time.Month(month) || t.Day() != day || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, bad
	}
	return t.UTC(), nil
}

// unmangled has a blank (or a T) between the date and the time, and a plus sign
// behind them.
func unmangled(text string) string {
	at := strings.IndexAny(text, "T +")
	if at < 0 {
		return text
	}
	date, separator, rest := text[:at], text[at:at+1], text[at+1:]
	if separator == "+" {
		separator = " "
	}
	return date + separator + strings.Replace(rest, " ", "+", 1)
}

// location reads "Z", "+01", "+0100" or "+01:00"; "" is UTC.
func location(text string) (*time.Location, bool) {
	if text == "" || text == "Z" {
		return time.UTC, true
	}
	digits := strings.Replace(text[1:], ":", "", 1)
	hours, _ := strconv.Atoi(digits[:2])
	minutes := 0
	if len(digits) > 2 {
		minutes, _ = strconv.Atoi(digits[2:])
	}
	offset := (hours*60 + minutes) * 60
	if text[0] == '-' {
		offset = -offset
	}
	return time.FixedZone("", offset), hours < 24 && minutes < 60
}
