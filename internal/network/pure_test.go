package network

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func TestDefaultPools(t *testing.T) {
	for _, x := range []struct{ cidr, gateway, first, last string }{
		{"10.0.0.0/24", "10.0.0.1", "10.0.0.2", "10.0.0.254"},
		{"10.0.0.0/24", "10.0.0.254", "10.0.0.1", "10.0.0.253"},
		{"10.0.0.0/24", "192.0.2.1", "10.0.0.1", "10.0.0.254"},
		{"10.0.0.0/31", "10.0.0.0", "10.0.0.1", "10.0.0.1"},
		{"fd00::/64", "fd00::1", "fd00::2", "fd00::ffff:ffff:ffff:ffff"},
	} {
		got := defaultPools(netip.MustParsePrefix(x.cidr), netip.MustParseAddr(x.gateway))
		want := []Pool{{netip.MustParseAddr(x.first), netip.MustParseAddr(x.last)}}
		if !slices.Equal(got, want) {
			t.Errorf("%s with %s: %v, want %v", x.cidr, x.gateway, got, want)
		}
	}
	middle := defaultPools(netip.MustParsePrefix("10.0.0.0/29"), netip.MustParseAddr("10.0.0.3"))
	if len(middle) != 2 || middle[0].End.String() != "10.0.0.2" || middle[1].Start.String() != "10.0.0.4" {
		t.Errorf("a gateway in the middle: %v", middle)
	}
}

func TestEUI64(t *testing.T) {
	got := eui64(netip.MustParsePrefix("2001:db8::/64"), "fa:16:3e:12:34:56")
	if got.String() != "2001:db8::f816:3eff:fe12:3456" {
		t.Error(got)
	}
}

func TestMerged(t *testing.T) {
	for _, x := range []struct{ in, want []netip.Prefix }{
		{prefixes("10.0.0.0/25", "10.0.0.128/25"), prefixes("10.0.0.0/24")},
		{prefixes("10.0.0.128/25", "10.0.1.0/25"), prefixes("10.0.0.128/25", "10.0.1.0/25")},
		{prefixes("10.0.0.0/8", "10.1.0.0/16"), prefixes("10.0.0.0/8")},
		{prefixes("10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/25"), prefixes("10.0.0.0/24")},
	} {
		if got := merged(x.in); !slices.Equal(got, x.want) {
			t.Errorf("%v: %v, want %v", x.in, got, x.want)
		}
	}
}

// What is carved from a pool lies in it, never overlaps, and there is as much
// of it as fits.
func TestCarving(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool := prefixes("10.0.0.0/20", "10.9.0.0/22")
		var taken []netip.Prefix
		free := 1<<12 + 1<<10
		for range rapid.IntRange(1, 60).Draw(t, "requests") {
			length := rapid.IntRange(22, 28).Draw(t, "length")
			got := firstFree(pool, taken, length)
			if !got.IsValid() {
				continue
			}
			if got.Bits() != length || got != got.Masked() || !slices.ContainsFunc(pool, func(p netip.Prefix) bool { return p.Contains(got.Addr()) }) {
				t.Fatalf("carved %s", got)
			}
			if slices.ContainsFunc(taken, got.Overlaps) {
				t.Fatalf("%s overlaps one of %v", got, taken)
			}
			taken = append(taken, got)
			free -= 1 << (32 - length)
		}
		if free < 0 {
			t.Fatal("more was carved than there is")
		}
	})
}

// Cutting a prefix out leaves all the rest and nothing of it.
func TestWithout(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := prefixes("10.0.0.0/16")
		gone := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, rapid.Byte().Draw(t, "b"), rapid.Byte().Draw(t, "c")}), rapid.IntRange(16, 32).Draw(t, "bits")).Masked()
		left := without(whole, gone)
		size := 0
		for _, p := range left {
			if p.Overlaps(gone) {
				t.Fatalf("%s is left of %s", p, gone)
			}
			size += 1 << (32 - p.Bits())
		}
		if want := 1<<16 - 1<<(32-gone.Bits()); size != want {
			t.Fatalf("%d addresses left, want %d", size, want)
		}
		if back := merged(append(left, gone)); !slices.Equal(back, whole) {
			t.Fatalf("put back together: %v", back)
		}
	})
}

// An address and its key say the same, in the same order.
func TestIPKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "a")))
		b := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "b")))
		if keyIP(ipKey(a)) != a || (a.Compare(b) < 0) != (ipKey(a) < ipKey(b)) {
			t.Fatal(a, b)
		}
	})
}
