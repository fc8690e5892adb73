package bench

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"kumoi/test/apptest"
)

const servers = 1000

// cloud starts a cloud in this process and logs its administrator in.
func cloud(b *testing.B) *Client {
	b.Helper()
	c := apptest.New(b)
	u, err := url.Parse(c.AuthURL())
	if err != nil {
		b.Fatal(err)
	}
	admin, err := NewClient("http://"+u.Host).As(b.Context(), "admin", apptest.AdminPassword, "admin")
	if err != nil {
		b.Fatal(err)
	}
	return admin
}

// measure runs an operation as often as the benchmark asks and reports quantiles.
func measure(b *testing.B, op func(ctx context.Context, i int) error) {
	b.Helper()
	var s Samples
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		if err := op(b.Context(), i); err != nil {
			b.Fatal(err)
		}
		s.Times = append(s.Times, time.Since(start))
	}
	b.ReportMetric(float64(s.Quantile(0.5))/float64(time.Millisecond), "p50-ms")
	b.ReportMetric(float64(s.Quantile(0.99))/float64(time.Millisecond), "p99-ms")
}

func BenchmarkLogin(b *testing.B) {
	c := cloud(b)
	measure(b, func(ctx context.Context, _ int) error {
		_, err := c.Login(ctx, "admin", apptest.AdminPassword, "admin")
		return err
	})
}

func BenchmarkValidate(b *testing.B) {
	c := cloud(b)
	measure(b, func(ctx context.Context, _ int) error { return c.Validate(ctx, c.Token) })
}

func BenchmarkServerCreateToActive(b *testing.B) {
	c := cloud(b)
	n := prepare(b, c)
	measure(b, func(ctx context.Context, i int) error {
		id, err := c.CreateServers(ctx, fmt.Sprint("bench", i), n, 1, nil)
		if err != nil {
			return err
		}
		return c.Await(ctx, id, "ACTIVE", time.Millisecond)
	})
}

func prepare(b *testing.B, c *Client) Need {
	b.Helper()
	n, err := c.Prepare(b.Context(), make([]byte, 1<<20), "raw", 64, 0)
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Widen(b.Context()); err != nil {
		b.Fatal(err)
	}
	return n
}

func BenchmarkList1000Servers(b *testing.B) {
	c := cloud(b)
	if err := Fill(b.Context(), c, prepare(b, c), servers); err != nil {
		b.Fatal(err)
	}
	measure(b, func(ctx context.Context, _ int) error {
		_, err := c.Do(ctx, "GET", "/compute/v2.1/servers/detail?limit=1000", nil, nil)
		return err
	})
}

func BenchmarkListImages(b *testing.B) {
	c := cloud(b)
	prepare(b, c)
	measure(b, func(ctx context.Context, _ int) error {
		_, err := c.Do(ctx, "GET", "/image/v2/images", nil, nil)
		return err
	})
}
