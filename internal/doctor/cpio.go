package doctor

import (
	"bytes"
	"fmt"
	"io"
)

// cpioFile is one entry of an initial ram file system.
type cpioFile struct {
	name string
	mode uint32 // type and permissions, as in stat(2)
	data []byte
}

const (
	modeDir  = 0o040755
	modeExec = 0o100755
)

// writeCPIO writes an archive in the "newc" form, the one the kernel unpacks.
func writeCPIO(w io.Writer, files []cpioFile) error {
	var buf bytes.Buffer
	pad := func() {
		for buf.Len()%4 != 0 {
			buf.WriteByte(0)
		}
	}
	for i, f := range append(files, cpioFile{name: "TRAILER!!!"}) {
		fields := []uint32{uint32(i + 1), f.mode, 0, 0, 1, 0, uint32(len(f.data)), 0, 0, 0, 0, uint32(len(f.name) + 1), 0}
		buf.WriteString("070701")
		for _, v := range fields {
			fmt.Fprintf(&buf, "%08X", v)
		}
		buf.WriteString(f.name)
		buf.WriteByte(0)
		pad()
		buf.Write(f.data)
		pad()
	}
	_, err := w.Write(buf.Bytes())
	return err
}
