package configdrive

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
)

const (
	sector = 2048
	// What comes first: sixteen sectors for the system, the two descriptors and
	// their end.
	firstFree = 19
	maxImage  = 64 << 20
)

// names is one of the two ways in which the tree is written down.
type names int

const (
	rockRidge names = iota // ISO 9660 with POSIX names and modes besides
	joliet                 // UCS-2
)

// Image gives a drive's content.
func Image(files map[string][]byte, at time.Time) ([]byte, error) {
	root, err := buildTree(files)
	if err != nil {
		return nil, err
	}
	w := &writer{root: root, dirs: root.directories(), at: at.UTC()}
	if w.at.Year() < 1970 || w.at.Year() > 2100 {
		w.at = time.Unix(0, 0).UTC()
	}
	if err := w.plan(); err != nil {
		return nil, err
	}
	w.image = make([]byte, int(w.end)*sector)
	for _, n := range []names{rockRidge, joliet} {
		copy(w.place(16+uint32(n)), w.descriptor(n))
		copy(w.place(w.tables[n][0]), w.pathTable(n, binary.LittleEndian))
		copy(w.place(w.tables[n][1]), w.pathTable(n, binary.BigEndian))
		for _, d := range w.dirs {
			copy(w.place(d.extent[n]), w.directory(d, n))
		}
	}
	copy(w.place(18), "\xffCD001\x01")
	root.walk(func(n *node) {
		if !n.dir {
			copy(w.place(n.extent[0]), n.data)
		}
	})
	return w.image, nil
}

type writer struct {
	root   *node
	dirs   []*node
	at     time.Time
	tables [2][2]uint32 // where the path tables are: little and big endian
	end    uint32       // in sectors
	image  []byte
}

func (w *writer) place(at uint32) []byte { return w.image[int(at)*sector:] }

// plan finds a place for everything. Files with the same content share one.
func (w *writer) plan() error {
	next := uint32(firstFree)
	take := func(size int) uint32 {
		at := next
		next += uint32((size + sector - 1) / sector)
		return at
	}
	for _, n := range []names{rockRidge, joliet} {
		for i, d := range w.dirs {
			d.number[n] = i + 1
		}
		size := len(w.pathTable(n, binary.LittleEndian))
		w.tables[n] = [2]uint32{take(size), take(size)}
		for _, d := range w.dirs {
			d.size[n] = uint32(len(w.directory(d, n))) // its length does not depend on places
			d.extent[n] = take(int(d.size[n]))
		}
	}
	places := map[string]uint32{}
	total := 0
	w.root.walk(func(f *node) {
		if f.dir {
			return
		}
		at, ok := places[string(f.data)]
		if !ok {
			at = take(len(f.data))
			places[string(f.data)] = at
			total += len(f.data)
		}
		f.extent, f.size = [2]uint32{at, at}, [2]uint32{uint32(len(f.data)), uint32(len(f.data))}
	})
	w.end = next
	if total > maxImage {
		return errors.New("its files are too large")
	}
	return nil
}

// descriptor describes the volume.
func (w *writer) descriptor(n names) []byte {
	d := make([]byte, sector)
	d[0] = 1
	copy(d[1:], "CD001\x01")
	text := func(at, length int, s string) { copy(d[at:at+length], pad(encodeName(s, n), length, n)) }
	text(8, 32, "LINUX")
	text(40, 32, Label)
	both32(d[80:], w.end)
	if n == joliet {
		d[0] = 2
		copy(d[88:], "%/E") // UCS-2, level 3
	}
	both16(d[120:], 1) // volumes in the set
	both16(d[124:], 1) // number of this one
	both16(d[128:], sector)
	both32(d[132:], uint32(len(w.pathTable(n, binary.LittleEndian))))
	binary.LittleEndian.PutUint32(d[140:], w.tables[n][0])
	binary.BigEndian.PutUint32(d[148:], w.tables[n][1])
	copy(d[156:190], w.record(w.root, n, "\x00", nil))
	text(190, 128, "")
	text(318, 128, "KUMOI")
	text(446, 128, "KUMOI")
	text(574, 128, "KUMOI")
	text(702, 37, "")
	text(739, 37, "")
	text(776, 37, "")
	stamp := []byte(w.at.Format("20060102150405") + "00\x00")
	copy(d[813:], stamp) // created
	copy(d[830:], stamp) // modified
	never := []byte(strings.Repeat("0", 16) + "\x00")
	copy(d[847:], never) // expires
	copy(d[864:], never) // effective
	d[881] = 1
	return d
}

// pathTable lists all directories with their parents.
func (w *writer) pathTable(n names, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, d := range w.dirs {
		id := d.id(n)
		if d == w.root {
			id = "\x00"
		}
		out = append(out, byte(len(id)), 0)
		out = order.AppendUint32(out, d.extent[n])
		out = order.AppendUint16(out, uint16(d.parent.number[n]))
		out = append(out, id...)
		if len(id)%2 == 1 {
			out = append(out, 0)
		}
	}
	return out
}

// directory lists a directory's records; none crosses a sector's end.
func (w *writer) directory(d *node, n names) []byte {
	var self, parent []byte
	if n == rockRidge {
		self, parent = posix(d, ""), posix(d.parent, "")
		if d == w.root {
			self = slices.Concat([]byte("SP\x07\x01\xbe\xef\x00"), self, []byte("ER\x12\x01\x0a\x00\x00\x01RRIP_1991A"))
		}
	}
	records := [][]byte{w.record(d, n, "\x00", self), w.record(d.parent, n, "\x01", parent)}
	children := slices.Clone(d.children)
	slices.SortFunc(children, func(a, b *node) int { return strings.Compare(a.id(n), b.id(n)) })
	for _, c := range children {
		var use []byte
		if n == rockRidge {
			use = posix(c, c.name)
		}
		records = append(records, w.record(c, n, c.id(n), use))
	}
	var out []byte
	for _, r := range records {
		if left := sector - len(out)%sector; len(r) > left {
			out = append(out, make([]byte, left)...)
		}
		out = append(out, r...)
	}
	return append(out, make([]byte, (sector-len(out)%sector)%sector)...)
}

// id is the node's identifier in a record.
func (n *node) id(kind names) string {
	name := n.short
	if kind == joliet {
		name = n.name
	}
	if !n.dir {
		if kind == rockRidge && !strings.Contains(name, ".") {
			name += "."
		}
		name += ";1"
	}
	return string(encodeName(name, kind))
}

// record is one entry of a directory.
func (w *writer) record(n *node, kind names, id string, use []byte) []byte {
	length := 33 + len(id)
	length += length % 2
	r := make([]byte, length, length+len(use)+1)
	both32(r[2:], n.extent[kind])
	both32(r[10:], n.size[kind])
	t := w.at
	copy(r[18:], []byte{byte(t.Year() - 1900), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()), 0})
	if n.dir {
		r[25] = 2
	}
	both16(r[28:], 1)
	r[32] = byte(len(id))
	copy(r[33:], id)
	r = append(r, use...)
	if len(r)%2 == 1 {
		r = append(r, 0)
	}
	r[0] = byte(len(r))
	return r
}

// posix gives the mode and, if it is not empty, the name that Unix shows.
func posix(n *node, name string) []byte {
	mode, links := uint32(0o100444), uint32(1)
	if n.dir {
		mode, links = 0o040555, 2
	}
	px := make([]byte, 36)
	copy(px, "PX\x24\x01")
	both32(px[4:], mode)
	both32(px[12:], links)
	if name == "" {
		return px
	}
	return slices.Concat(px, []byte{'N', 'M', byte(5 + len(name)), 1, 0}, []byte(name))
}

func encodeName(s string, n names) []byte {
	if n == rockRidge {
		return []byte(s)
	}
	var out []byte
	for _, u := range utf16.Encode([]rune(s)) {
		out = binary.BigEndian.AppendUint16(out, u)
	}
	return out
}

// pad fills a text field with blanks.
func pad(text []byte, length int, n names) []byte {
	for len(text) < length {
		if n == joliet && len(text)+1 < length {
			text = append(text, 0)
		}
		text = append(text, ' ')
	}
	return text[:length]
}

// both32 writes a number in both orders, as ISO 9660 likes it.
func both32(b []byte, v uint32) {
	binary.LittleEndian.PutUint32(b, v)
	binary.BigEndian.PutUint32(b[4:], v)
}

func both16(b []byte, v uint16) {
	binary.LittleEndian.PutUint16(b, v)
	binary.BigEndian.PutUint16(b[2:], v)
}
