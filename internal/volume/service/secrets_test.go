package service

import (
	"bytes"
	"testing"
)

func TestSecrets(t *testing.T) {
	t.Parallel()
	s := secrets{[32]byte{1}}
	sealed, err := s.Seal(t.Context(), "a", []byte("the key"))
	if err != nil || bytes.Contains(sealed, []byte("the key")) {
		t.Fatalf("%q: %v", sealed, err)
	}
	if got, err := s.Open(t.Context(), "a", sealed); err != nil || string(got) != "the key" {
		t.Errorf("%q: %v", got, err)
	}
	if _, err := s.Open(t.Context(), "b", sealed); err == nil {
		t.Error("a key opens for another volume")
	}
	if _, err := (secrets{}).Open(t.Context(), "a", sealed); err == nil {
		t.Error("another master key opens it")
	}
}
