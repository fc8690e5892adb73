package convert_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"kumoi/internal/image/convert"
	"kumoi/internal/image/inspect"
	"kumoi/internal/kernel/errs"
)

func TestConvert(t *testing.T) {
	if !convert.Available() {
		t.Skip("qemu-img is not installed")
	}
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	data := bytes.Repeat([]byte("kumoi"), 1<<18)[:1<<20]
	if err := os.WriteFile(raw, data, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, format := range []string{"qcow2", "vmdk", "vdi", "vhd", "vhdx"} {
		name := map[string]string{"vhd": "vpc"}[format]
		if name == "" {
			name = format
		}
		src := filepath.Join(dir, format)
		if out, err := exec.Command("qemu-img", "convert", "-f", "raw", "-O", name, raw, src).CombinedOutput(); err != nil {
			t.Fatalf("%s: %s", err, out)
		}
		f, err := os.Open(src)
		if err != nil {
			t.Fatal(err)
		}
		st, _ := f.Stat()
		rep, err := inspect.Detect(f, st.Size())
		f.Close()
		if err != nil || rep.Format != format || len(rep.Unsafe) > 0 || rep.VirtualSize < 1<<20 {
			t.Errorf("%s: inspected as %+v, %v", format, rep, err)
		}
		dst := filepath.Join(dir, format+".raw")
		if err := convert.Convert(ctx, src, format, dst, "raw", convert.DefaultLimits()); err != nil {
			t.Errorf("%s to raw: %v", format, err)
			continue
		}
		got, err := os.ReadFile(dst)
		if err != nil || len(got) < len(data) || !bytes.Equal(got[:len(data)], data) {
			t.Errorf("%s to raw: the content differs (%d bytes)", format, len(got))
		}
	}
	back := filepath.Join(dir, "back.qcow2")
	if err := convert.Convert(ctx, raw, "raw", back, "qcow2", convert.DefaultLimits()); err != nil {
		t.Fatal(err)
	}
}

func TestLimits(t *testing.T) {
	if !convert.Available() {
		t.Skip("qemu-img is not installed")
	}
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	if err := os.WriteFile(src, bytes.Repeat([]byte("x"), 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*convert.Limits){
		"memory": func(l *convert.Limits) { l.Memory = 8 << 20 },
		"size":   func(l *convert.Limits) { l.Size = 1 << 20 },
		"time":   func(l *convert.Limits) { l.Time = time.Nanosecond },
	} {
		l := convert.DefaultLimits()
		change(&l)
		err := convert.Convert(context.Background(), src, "raw", dst, "qcow2", l)
		if !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.TooLarge) && name != "memory" || err == nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(dst); !os.IsNotExist(err) {
			t.Errorf("%s: a broken output stays", name)
		}
	}
	if err := convert.Convert(context.Background(), src, "qcow2", dst, "raw", convert.DefaultLimits()); !errs.Is(err, errs.Invalid) {
		t.Errorf("garbage as qcow2: %v", err)
	}
}
