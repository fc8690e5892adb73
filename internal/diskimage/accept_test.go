package diskimage

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kumoi/internal/kernel/errs"
)

func TestAccept(t *testing.T) {
	be := binary.BigEndian
	at := func(offset int, magic string) []byte {
		b := make([]byte, 0x9000)
		copy(b[offset:], magic)
		return b
	}
	gpt := func(b []byte) []byte {
		copy(b[510:], "\x55\xaaEFI PART")
		return b
	}
	for name, tc := range map[string]struct {
		image   []byte
		claimed string
		format  string // told to a tool
		size    int64
		refused string
	}{
		"raw":                         {make([]byte, 1<<20), "raw", "raw", 1 << 20, ""},
		"raw, small":                  {[]byte("x"), "raw", "raw", 1, ""},
		"raw with partitions":         {gpt(make([]byte, 1<<20)), "raw", "raw", 1 << 20, ""},
		"ami":                         {make([]byte, 1<<20), "ami", "raw", 1 << 20, ""},
		"iso":                         {at(0x8001, "CD001"), "iso", "iso", 0x9000, ""},
		"iso as raw":                  {at(0x8001, "CD001"), "raw", "raw", 0x9000, ""},
		"iso with partitions":         {gpt(at(0x8001, "CD001")), "iso", "iso", 0x9000, ""},
		"iso with partitions as raw":  {gpt(at(0x8001, "CD001")), "raw", "raw", 0x9000, ""},
		"qcow2":                       {qcow(nil), "qcow2", "qcow2", 10 << 30, ""},
		"qcow2 v2":                    {qcow(func(h []byte) { be.PutUint32(h[4:], 2); clear(h[72:104]) }), "qcow2", "qcow2", 10 << 30, ""},
		"vmdk":                        {vmdkImage(goodVMDK), "vmdk", "vmdk", 1 << 20, ""},
		"qcow2 as raw":                {qcow(nil), "raw", "", 0, "claims to be raw"},
		"qcow2 as raw with a backing": {qcow(func(h []byte) { h[15] = 1 }), "raw", "", 0, "backing file"},
		"raw as qcow2":                {make([]byte, 4096), "qcow2", "", 0, "claims to be qcow2"},
		"luks as raw":                 {at(0, "LUKS\xba\xbe\x00\x01"), "raw", "", 0, "claims to be raw"},
		"luks":                        {at(0, "LUKS\xba\xbe\x00\x01"), "luks", "", 0, "cannot be run"},
		"qcow2 and iso":               {func() []byte { b := qcow(nil); copy(b[0x8001:], "CD001"); return b }(), "iso", "", 0, "several formats"},
		"qcow2 and partitions":        {gpt(qcow(nil)), "raw", "", 0, "several formats"},
		"vmdk and iso":                {func() []byte { b := vmdkImage(goodVMDK); copy(b[0x8001:], "CD001"); return b }(), "iso", "", 0, "several formats"},
		"qcow2 of no size":            {qcow(func(h []byte) { clear(h[24:32]) }), "qcow2", "", 0, "no size"},
		"qed":                         {at(0, "QED\x00"), "qed", "", 0, "not supported"},
		"vmdk descriptor":             {[]byte("# Disk DescriptorFile\nRW 1 FLAT \"/etc/shadow\" 0\n"), "vmdk", "", 0, "names other files"},
		"data file by a later extension": {qcow(func(h []byte) {
			be.PutUint32(h[104:], 0x6803f857)
			be.PutUint32(h[108:], 3)
			be.PutUint32(h[120:], qcowExtDataFile)
			be.PutUint32(h[124:], 8)
		}), "qcow2", "", 0, "external data file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(path, tc.image, 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := Accept(path, tc.claimed)
			switch {
			case tc.refused == "" && (err != nil || got.Format != tc.format || got.VirtualSize != tc.size):
				t.Errorf("got %+v, %v; want %s of %d", got, err, tc.format, tc.size)
			case tc.refused != "" && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tc.refused)):
				t.Errorf("got %v, want a refusal with %q", err, tc.refused)
			}
		})
	}
}
