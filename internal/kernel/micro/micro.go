// Package micro knows microversions: how a request names the one it speaks and
// what a service offers. Handlers convert bodies up to the newest and answers
// back down; see docs/howto/add-an-endpoint.md.
package micro

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"kumoi/internal/kernel/errs"
)

// Version is a microversion. The zero value means "no bound".
type Version struct{ Major, Minor int }

// V makes a version: V(2, 53).
func V(major, minor int) Version { return Version{major, minor} }

// AtLeast tells whether v is w or newer.
func (v Version) AtLeast(w Version) bool {
	return v.Major > w.Major || v.Major == w.Major && v.Minor >= w.Minor
}

// Before tells whether v is older than w.
func (v Version) Before(w Version) bool { return !v.AtLeast(w) }

// IsZero tells whether v is no version.
func (v Version) IsZero() bool { return v == Version{} }

func (v Version) String() string { return strconv.Itoa(v.Major) + "." + strconv.Itoa(v.Minor) }

// Parse reads "2.53".
func Parse(s string) (Version, error) {
	a, b, ok := strings.Cut(s, ".")
	major, err1 := strconv.ParseUint(a, 10, 16)
	minor, err2 := strconv.ParseUint(b, 10, 16)
	if !ok || err1 != nil || err2 != nil || len(a) > 1 && a[0] == '0' || len(b) > 1 && b[0] == '0' {
		return Version{}, fmt.Errorf("version %.20q is not MAJOR.MINOR", s)
	}
	return Version{int(major), int(minor)}, nil
}

// Range is what a service offers, and how clients ask for it.
type Range struct {
	Service      string // the word in OpenStack-API-Version, such as "compute"
	LegacyHeader string // such as "X-OpenStack-Nova-API-Version"; optional
	Min, Max     Version
}

// Negotiate finds the version a request speaks: that of its header, else Min.
// A malformed one is Invalid, one outside the range NotAcceptable.
func (r *Range) Negotiate(h http.Header) (Version, error) {
	text := ""
	for _, line := range h.Values("OpenStack-API-Version") {
		for part := range strings.SplitSeq(line, ",") {
			f := strings.Fields(part)
			if len(f) == 2 && strings.EqualFold(f[0], r.Service) {
				text = f[1]
			}
		}
	}
	if text == "" && r.LegacyHeader != "" {
		text = strings.TrimSpace(h.Get(r.LegacyHeader))
	}
	switch {
	case text == "":
		return r.Min, nil
	case strings.EqualFold(text, "latest"):
		return r.Max, nil
	}
	v, err := Parse(text)
	if err != nil {
		return Version{}, errs.Wrap(errs.Invalid, err, "API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", text)
	}
	if v.Before(r.Min) || r.Max.Before(v) {
		return Version{}, errs.New(errs.NotAcceptable, "Version %s is not supported by the API. Minimum is %s and maximum is %s.", v, r.Min, r.Max)
	}
	return v, nil
}

// Announce sets the response headers that name the version spoken.
func (r *Range) Announce(h http.Header, v Version) {
	h.Set("OpenStack-API-Version", r.Service+" "+v.String())
	h.Add("Vary", "OpenStack-API-Version")
	if r.LegacyHeader != "" {
		h.Set(r.LegacyHeader, v.String())
		h.Add("Vary", r.LegacyHeader)
	}
}
