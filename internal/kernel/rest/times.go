package rest

import "time"

// TimeFormat is how an API writes a time; all are in UTC.
type TimeFormat string

// The formats, by who writes them.
const (
	Seconds      TimeFormat = "2006-01-02T15:04:05Z"        // Nova, Neutron, Glance
	Micros       TimeFormat = "2006-01-02T15:04:05.000000"  // Nova's older families, Cinder
	MicrosZ      TimeFormat = "2006-01-02T15:04:05.000000Z" // Keystone
	SecondsPlain TimeFormat = "2006-01-02T15:04:05"         // Heat's and Nova's oldest
)

// Of is a time as a text.
func (f TimeFormat) Of(t time.Time) string { return t.UTC().Format(string(f)) }

// OrNull is a time as a text, nil for the zero time.
func (f TimeFormat) OrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return f.Of(t)
}
