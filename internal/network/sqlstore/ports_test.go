package sqlstore

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"

	"kumoi/internal/network"
)

// Addresses are read by hand as a decoder reads them, or left to it.
func TestFixedIPsAreReadAsWritten(t *testing.T) {
	t.Parallel()
	ip := netip.MustParseAddr
	for _, list := range [][]network.FixedIP{
		{{SubnetID: "a", IP: ip("10.0.0.5")}}, {{SubnetID: "a", IP: ip("10.0.0.5")}, {SubnetID: "b", IP: ip("fd00::1")}},
	} {
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		var got fixedIPs
		if !got.ReadPlain(string(text)) || !reflect.DeepEqual([]network.FixedIP(got), list) {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, text := range []string{
		``, `null`, `[]`, `[{}]`, `[{"SubnetID":"a"}]`, `[{"SubnetID":"a","IP":""}]`, `[{"SubnetID":"a\"","IP":"10.0.0.5"}]`, `[{"SubnetID":"a","IP":"10.0.0.5"}`,
		`[{"SubnetID":"a","IP":"10.0.0.5"},]`, `[{"SubnetID":"a","IP":"10.0.0.5"}]]`, `[{"SubnetID":"a","IP":"10.0.0.5","More":1}]`, `{"SubnetID":"a","IP":"10.0.0.5"}`,
	} {
		var got fixedIPs
		if got.ReadPlain(text) || got != nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}
