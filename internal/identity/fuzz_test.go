package identity

import (
	"reflect"
	"testing"
	"time"
)

func sampleToken() *Token {
	return &Token{
		UserID: "u", Methods: []string{"password", "totp"}, Scope: Scope{ProjectScope, "p"}, IssuedAt: time.UnixMicro(1_700_000_000_000_000).UTC(),
		ExpiresAt: time.UnixMicro(1_700_003_600_000_000).UTC(), AuditIDs: []string{"a", "b"}, TrustID: "t",
	}
}

func TestTokenRoundTrip(t *testing.T) {
	in := sampleToken()
	out, err := decodeToken(in.encode())
	if err != nil || !reflect.DeepEqual(in, out) {
		t.Fatalf("%+v, %v", out, err)
	}
	b := in.encode()
	for i := range b {
		if _, err := decodeToken(b[:i]); err == nil {
			t.Errorf("%d bytes of %d decode", i, len(b))
		}
	}
	if _, err := decodeToken(append(b, 0)); err == nil {
		t.Error("trailing bytes decode")
	}
}

func FuzzDecodeToken(f *testing.F) {
	f.Add(sampleToken().encode())
	f.Add([]byte{tokenVersion, 0, 0, 0, 1, 'u', 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		tok, err := decodeToken(b)
		if err != nil {
			return
		}
		again, err := decodeToken(tok.encode())
		if err != nil || !reflect.DeepEqual(tok, again) {
			t.Errorf("%+v does not survive: %+v, %v", tok, again, err)
		}
	})
}

func FuzzUnseal(f *testing.F) {
	k, err := newKeyring([32]byte{7})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seal(k.master, []byte("text"), "here"))
	f.Fuzz(func(t *testing.T, s string) {
		if text, err := unseal(k.master, s, "there"); err == nil {
			t.Errorf("%q opened in the wrong place: %q", s, text)
		}
	})
}

func FuzzParseHash(f *testing.F) {
	h := newHasher(argonParams{memory: 64, time: 1, threads: 1}, 0)
	f.Add(h.dummy)
	f.Fuzz(func(_ *testing.T, s string) { parseHash(s) })
}

func TestSealIsBoundToItsPlace(t *testing.T) {
	k, err := newKeyring([32]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	s := seal(k.master, []byte("text"), "here")
	if text, err := unseal(k.master, s, "here"); err != nil || string(text) != "text" {
		t.Errorf("%q %v", text, err)
	}
	if _, err := unseal(k.master, s, "there"); err == nil {
		t.Error("opened in another place")
	}
}

func TestMemoForgetsWhatChanged(t *testing.T) {
	w := newWatch()
	m := newMemo[int](w, 2)
	at := w.now()
	m.put("a", 1, at, []string{"x"})
	m.put("b", 2, at, []string{"y"})
	w.mark("x")
	if _, ok := m.get("a"); ok {
		t.Error("a stale value is remembered")
	}
	if v, ok := m.get("b"); !ok || v != 2 {
		t.Error("a fresh value is forgotten")
	}
	// What was read before a change that came while reading is stale at once.
	at = w.now()
	w.mark("z")
	m.put("c", 3, at, []string{"z"})
	if _, ok := m.get("c"); ok {
		t.Error("a value read before the change survives it")
	}
	for i := range 10 {
		m.put(string(rune('d'+i)), i, w.now(), nil)
	}
	if len(m.young)+len(m.old) > 4 {
		t.Errorf("%d entries with a size of 2", len(m.young)+len(m.old))
	}
}

func TestOpaqueTextIsNoOption(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		text := opaque(keyIDLen)
		if len(text) != keyIDLen || text[0] == '-' || seen[text] {
			t.Fatalf("%q", text)
		}
		seen[text] = true
	}
}
