package api_test

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"kumoi/internal/image"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/store/storetest"
)

// BenchmarkCreateTold makes images over HTTP, with and without telling of them:
// what an event costs a real write, in processor time. The two take turns, so
// that what else the machine does costs both the same.
func BenchmarkCreateTold(b *testing.B) {
	var clouds [2]*cloud
	for i := range clouds {
		db := storetest.SQLite(b)
		clouds[i] = newCloud(b, db, func(d *image.Deps) {
			if i == 1 {
				if err := db.Migrate(b.Context(), event.Migrations()); err != nil {
					b.Fatal(err)
				}
				d.Events = event.New(db, event.Config{})
			}
		})
	}
	var took [2][]time.Duration
	for n := 0; b.Loop(); n++ {
		start := cpu()
		for range 20 {
			clouds[n%2].As("alice").Want(201, "POST", "/v2/images", map[string]any{"name": "one", "disk_format": "raw", "container_format": "bare"})
		}
		took[n%2] = append(took[n%2], (cpu()-start)/20)
	}
	without, with := median(took[0]), median(took[1])
	b.ReportMetric(float64(without.Microseconds()), "cpu-us-without")
	b.ReportMetric(float64(with.Microseconds()), "cpu-us-with")
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// cpu is the processor time that this process has used.
func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
