package store

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// Kind is what a column or a field holds.
type Kind uint8

// The kinds of fields. A field that may be NULL sorts before all values.
const (
	KindText Kind = iota
	KindInt
	KindBool
	KindTime // BIGINT microseconds; conditions take a time.Time
	KindFloat
)

// Columns hears from a table's description which columns there are and where
// in a row's value each is kept. One description serves to name the columns, to
// read rows and to write them.
type Columns struct {
	does  purpose
	whole bool // only the document is read; it has everything

	defs  []column // naming
	to    []any    // reading: what Scan fills
	doc   any      // reading: what the document fills
	text  []byte   // reading: the document
	args  []any    // writing
	grows *int64   // the generation
}

type purpose uint8

const (
	naming purpose = iota
	reading
	writing
)

type column struct {
	name string
	kind Kind
	null bool
	key  bool
	gen  bool
	role role
	set  string // how an update writes it, where not as "name = ?"
	fold *folding
}

// role says how a column takes part in reading.
type role uint8

const (
	plainColumn role = iota
	derived          // never read
	document         // read instead of all others
)

// one notes a column: its place to read into, or its value to write.
func (c *Columns) one(def column, place, value any) {
	switch c.does {
	case naming:
		c.defs = append(c.defs, def)
	case reading:
		if !c.whole && place != nil {
			c.to = append(c.to, place)
		}
	case writing:
		c.args = append(c.args, value)
	}
}

// Key is a text column that is the primary key, or part of it.
func (c *Columns) Key(name string, p *string) { c.one(column{name: name, key: true}, p, *p) }

// Text is a column of text.
func (c *Columns) Text(name string, p *string) { c.one(column{name: name}, p, *p) }

// Caseless is a column of text that conditions compare without regard to case.
func (c *Columns) Caseless(name string, p *string) {
	c.one(column{name: name, fold: &folding{fold: strings.ToLower}}, p, *p)
}

// Name is a column of text, and beside it the column key with the text as it is
// compared: conditions and unique indexes do not regard case, and do not depend
// on what the database takes for a letter. A row of before there were keys may
// have another one; it is found by its very name, and keeps its key with it.
func (c *Columns) Name(name string, p *string, key string, fold func(string) string) {
	c.one(column{name: name, fold: &folding{key, fold}}, p, *p)
	c.one(column{name: key, role: derived, set: key + " = CASE WHEN " + name + " = ? THEN " + key + " ELSE ? END"}, nil, keyOf{*p, fold})
}

// keyOf is the key of a name.
type keyOf struct {
	name string
	fold func(string) string
}

// Value is what is stored of it.
func (k keyOf) Value() (driver.Value, error) { return k.fold(k.name), nil }

// Int is a column of whole numbers.
func (c *Columns) Int(name string, p *int) { c.one(column{name: name, kind: KindInt}, p, *p) }

// Int64 is a column of whole numbers.
func (c *Columns) Int64(name string, p *int64) { c.one(column{name: name, kind: KindInt}, p, *p) }

// Float is a column of fractions.
func (c *Columns) Float(name string, p *float64) {
	c.one(column{name: name, kind: KindFloat}, p, *p)
}

// Bool is a column of true and false.
func (c *Columns) Bool(name string, p *bool) { c.one(column{name: name, kind: KindBool}, p, *p) }

// Time is a column of unix microseconds; the zero time is 0.
func (c *Columns) Time(name string, p *time.Time) {
	c.one(column{name: name, kind: KindTime}, (*micros)(p), Micros(*p))
}

// NullText is a column of text or NULL.
func (c *Columns) NullText(name string, p **string) {
	c.one(column{name: name, null: true}, p, orNil(*p))
}

// NullInt is a column of whole numbers or NULL.
func (c *Columns) NullInt(name string, p **int) {
	c.one(column{name: name, kind: KindInt, null: true}, p, orNil(*p))
}

// NullInt64 is a column of whole numbers or NULL.
func (c *Columns) NullInt64(name string, p **int64) {
	c.one(column{name: name, kind: KindInt, null: true}, p, orNil(*p))
}

// JSON is a column of JSON text. A value with a method ReadPlain(text string) bool
// reads by it what is in the usual form; false leaves the text to a decoder.
func (c *Columns) JSON(name string, p any) {
	var f any = jsonField{p}
	c.one(column{name: name}, f, f)
}

// Custom is a column that p itself reads and writes.
func (c *Columns) Custom(name string, k Kind, p interface {
	sql.Scanner
	driver.Valuer
},
) {
	c.one(column{name: name, kind: k}, p, p)
}

// Generation is a column that grows with every Update, which refuses a row that
// somebody else has changed since it was read.
func (c *Columns) Generation(name string, p *int64) {
	c.grows = p
	c.one(column{name: name, kind: KindInt, gen: true}, p, *p)
}

// Derived is a column that follows from the value: it is written for conditions
// and orders, and never read. A nil value is NULL.
func (c *Columns) Derived(name string, k Kind, value any) {
	if t, ok := value.(time.Time); ok {
		value = Micros(t)
	}
	c.one(column{name: name, kind: k, null: true, role: derived}, nil, value)
}

// Doc is the value itself as JSON text. Rows are then read from it alone; the
// other columns are there for conditions and orders.
func (c *Columns) Doc(name string, v any) {
	switch c.does {
	case naming:
		c.whole = true
		c.defs = append(c.defs, column{name: name, role: document})
	case reading:
		c.doc = v
		c.to = append(c.to, &c.text)
	case writing:
		c.args = append(c.args, docField{jsonField{v}})
	}
}

// docField is the document of a row.
type docField struct{ jsonField }

// scan reads a row that describe told the columns of.
func (c *Columns) scan(r Row) error {
	if err := r.Scan(c.to...); err != nil {
		return err
	}
	if c.doc == nil {
		return nil
	}
	if err := jsonv2.Unmarshal(c.text, c.doc); err != nil { // lists decode thousands, and it takes a third of the time
		return fmt.Errorf("stored document: %w", err)
	}
	return nil
}

func orNil[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// micros reads a time as Micros wrote it.
type micros time.Time

func (m *micros) Scan(src any) error {
	us, ok := src.(int64)
	if !ok {
		return fmt.Errorf("scan %T as a time", src)
	}
	*m = micros(Time(us))
	return nil
}

// jsonField keeps any value as JSON text.
type jsonField struct{ p any }

func (f jsonField) Value() (driver.Value, error) {
	b, err := json.Marshal(f.p)
	return string(b), err
}

func (f jsonField) Scan(src any) error {
	switch s := src.(type) {
	case string:
		return f.read(s)
	case []byte:
		return f.read(string(s))
	}
	return fmt.Errorf("scan %T as JSON", src)
}

// read decodes into what is empty yet. Most columns of long lists are null, or
// lists of a few words, for which a decoder costs more than everything else.
func (f jsonField) read(text string) error {
	if text == "null" {
		return nil
	}
	switch p := f.p.(type) {
	case *[]string:
		var ok bool
		if *p, ok = plainTexts(text); ok {
			return nil
		}
	case *map[string]any:
		if text == "{}" {
			*p = map[string]any{}
			return nil
		}
	case interface{ ReadPlain(text string) bool }:
		if p.ReadPlain(text) {
			return nil
		}
	}
	return jsonv2.Unmarshal([]byte(text), f.p, asBefore)
}

// asBefore decodes by the rules of encoding/json, which the columns were written by.
var asBefore = jsonv1.DefaultOptionsV1()

// plainTexts reads a JSON list of strings without escapes; they share the text's memory.
func plainTexts(text string) ([]string, bool) {
	rest, ok := strings.CutPrefix(text, "[")
	if !ok || strings.IndexByte(text, '\\') >= 0 {
		return nil, false
	}
	out := make([]string, 0, strings.Count(rest, ",")+1)
	if rest == "]" {
		return out, true
	}
	for {
		word, after, found := strings.Cut(strings.TrimPrefix(rest, `"`), `"`)
		if !found || rest[0] != '"' {
			return nil, false
		}
		out = append(out, word)
		switch {
		case after == "]":
			return out, true
		case !strings.HasPrefix(after, ","):
			return nil, false
		}
		rest = after[1:]
		if rest == "" {
			return nil, false
		}
	}
}
