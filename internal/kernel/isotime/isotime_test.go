package isotime

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	at := day.Add(12*time.Hour + 34*time.Minute)
	for text, want := range map[string]time.Time{
		"2026": time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), "2026-11": time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), "2026-1": time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		"2026-11-30": day, "20261130": day, "2026-1-5": time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC),
		"2026-11-30T12": day.Add(12 * time.Hour), "2026-11-30T00:00Z": day, "2026-11-30 12:34": at, "2026-11-30T1234": at, "20261130T1234Z": at,
		"20261130T123400Z": at, "2026-11-30T12:34:5Z": at.Add(5 * time.Second), "2026-11-30T12:34:56.789": at.Add(56789 * time.Millisecond),
		"2026-11-30T12:34:56,789Z": at.Add(56789 * time.Millisecond), "2026-11-30T12:34:56.1234567891234Z": at.Add(56*time.Second + 123456789),
		"2026-11-30T13:34+01:00": at, "2026-11-30T13:34:00+0100": at, "2026-11-30T13:34:00+01": at, "2026-11-30T07:04-05:30": at,
		"2026-11-30T13:34:00 01:00": at, "2026-11-30 13:34:00 0100": at, "2026-11-30+12:34": at, " 2026-11-30 ": day, "2024-02-29": time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
		"": {}, "202611": {}, "26-11-30": {}, "2026-13-01": {}, "2026-02-30": {}, "2026-11-30T": {}, "2026-11-30T24:00": {}, "2026-11-30T12:60": {},
		"2026-11-30T12:34:60Z": {}, "2026-11-30t12:34z": {}, "2026-11-30T12:34Zjunk": {}, "2026-11-30T12:34:56.Z": {}, "yesterday": {}, "0000-01-01": {},
		"2026-11-30T12:34+99:00": {}, "2026-11T12:00": {}, "2026-11-30T12:34+1": {}, "1700000000": {}, "2026-11-30\x00": {}, "２０２６": {},
	} {
		got, err := Parse(text)
		if (err != nil) != want.IsZero() || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("2026-11-30T12:34:56.789+01:00")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := Parse(text); err == nil && got.Format(time.RFC3339Nano) == "" {
			t.Error(text)
		}
	})
}
