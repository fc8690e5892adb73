package httpx

import (
	"encoding/json"
	"math"
	"testing"
	"time"
)

// The fast path must not be told from encoding/json.
func TestAppendJSON(t *testing.T) {
	name := "x"
	for _, v := range []any{
		nil, "", "plain", "<a href=\"x\">&\\ \x00\x1f\x7f 雲 \xff\u2028", true, false, 0, -7, int64(math.MinInt64), 1.5, uint8(3),
		map[string]any(nil),
		map[string]any{},
		[]any(nil),
		[]any{},
		[]string(nil),
		[]string{},
		map[string]string(nil),
		map[string]any{
			"b": []any{1, "two", nil, map[string]any{"z": 1, "a": 2}}, "a": map[string]string{"k<": "v>", "j": ""},
			"c": []map[string]any{{"n": 1}, nil}, "d": []map[string]string{{"rel": "next"}, nil}, "e": []string{"x", "雲"},
			"f": time.Unix(1, 0).UTC(), "g": &name, "h": (*string)(nil), "i": []int{1, 2}, "j": struct{ X int }{4}, "k": json.RawMessage(`{"raw": true}`), "l": json.Number("12"), "m": RawJSON(`[1,"two"]`),
		},
	} {
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := appendJSON(nil, v)
		if err != nil || string(got) != string(want) {
			t.Errorf("%#v:\n got %s, %v\nwant %s", v, got, err, want)
		}
	}
	for _, v := range []any{math.NaN(), map[string]any{"x": []any{make(chan int)}}, []map[string]any{{"y": func() {}}}} {
		if got, err := appendJSON(nil, v); err == nil {
			t.Errorf("%#v became %s", v, got)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	list := make([]map[string]any, 1000)
	for i := range list {
		list[i] = map[string]any{
			"id": "8d5a3b2e-1111-2222-3333-444455556666", "name": "", "admin_state_up": true, "tags": []string{},
			"fixed_ips": []map[string]any{{"subnet_id": "8d5a3b2e-1111-2222-3333-444455556666", "ip_address": "10.0.0.1"}}, "revision_number": 3,
		}
	}
	for name, f := range map[string]func() error{
		"ours":     func() error { _, err := appendJSON(nil, list); return err },
		"standard": func() error { _, err := json.Marshal(list); return err },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
