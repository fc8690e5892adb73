package ovn

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// toRow writes the fields of a row as OVSDB takes them; no fields means all that have a value.
type toRow func(r row, fields ...any) (ovsdb.Row, error)

// operations is the transaction that makes the plan so: rows first, in the
// order of tables and UUIDs, then members, then what goes.
func (p *plan) operations(write toRow) ([]ovsdb.Operation, error) {
	var ops []ovsdb.Operation
	for _, k := range sortedKeys(p.ensure) {
		if p.rows[k] != nil || p.known.has(k.table, k.uuid) {
			continue
		}
		op, err := insert(p.ensure[k], write)
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	for _, k := range sortedKeys(p.rows) {
		op, err := p.write(k, write)
		if err != nil {
			return nil, err
		}
		if op != nil {
			ops = append(ops, *op)
		}
	}
	for _, s := range sortedSets(p.leave) {
		if p.known.has(s.table, s.uuid) {
			ops = append(ops, mutate(s, ovsdb.MutateOperationDelete, slices.Sorted(maps.Keys(p.leave[s]))))
		}
	}
	for _, s := range sortedSets(p.enter) {
		if members := p.missing(s); len(members) > 0 {
			ops = append(ops, mutate(s, ovsdb.MutateOperationInsert, members))
		}
	}
	for _, k := range sortedKeys(p.drop) {
		ops = append(ops, ovsdb.Operation{Op: ovsdb.OperationDelete, Table: k.table, Where: byUUID(k.uuid)})
	}
	return ops, nil
}

// write inserts a row or updates what differs; nil if nothing does.
func (p *plan) write(k rowKey, write toRow) (*ovsdb.Operation, error) {
	want, have := p.rows[k], p.known.row(k.table, k.uuid)
	if have == nil {
		op, err := insert(want, write)
		return &op, err
	}
	fields := changed(have, want)
	if len(fields) == 0 {
		return nil, nil
	}
	r, err := write(want, fields...)
	if err != nil {
		return nil, err
	}
	return &ovsdb.Operation{Op: ovsdb.OperationUpdate, Table: k.table, Row: r, Where: byUUID(k.uuid)}, nil
}

func insert(r row, write toRow) (ovsdb.Operation, error) {
	values, err := write(r)
	if err != nil {
		return ovsdb.Operation{}, fmt.Errorf("row %s of %s: %w", r.key(), r.table(), err)
	}
	return ovsdb.Operation{Op: ovsdb.OperationInsert, Table: r.table(), Row: values, UUID: r.key()}, nil
}

// missing are the members that the set does not have yet.
func (p *plan) missing(s set) []string {
	members := slices.Sorted(maps.Keys(p.enter[s]))
	if !p.known.has(s.table, s.uuid) {
		return members
	}
	var have []string
	switch r := p.known.row(s.table, s.uuid).(type) {
	case *logicalSwitch:
		have = r.Ports
		switch s.column {
		case "dns_records":
			have = r.DNSRecords
		case "qos_rules":
			have = r.QoSRules
		}
	case *portGroup:
		have = r.Ports
	}
	if len(members) < 8 {
		return slices.DeleteFunc(members, func(m string) bool { return slices.Contains(have, m) })
	}
	there := make(map[string]bool, len(have))
	for _, m := range have {
		there[m] = true
	}
	return slices.DeleteFunc(members, func(m string) bool { return there[m] })
}

func mutate(s set, mutator ovsdb.Mutator, members []string) ovsdb.Operation {
	values := ovsdb.OvsSet{}
	for _, m := range members {
		values.GoSet = append(values.GoSet, ovsdb.UUID{GoUUID: m})
	}
	return ovsdb.Operation{
		Op: ovsdb.OperationMutate, Table: s.table, Where: byUUID(s.uuid),
		Mutations: []ovsdb.Mutation{{Column: s.column, Mutator: mutator, Value: values}},
	}
}

func byUUID(uuid string) []ovsdb.Condition {
	return []ovsdb.Condition{{Column: "_uuid", Function: ovsdb.ConditionEqual, Value: ovsdb.UUID{GoUUID: uuid}}}
}

func compareKeys(a, b rowKey) int {
	return cmp.Or(strings.Compare(a.table, b.table), strings.Compare(a.uuid, b.uuid))
}

func sortedKeys[T any](m map[rowKey]T) []rowKey {
	return slices.SortedFunc(maps.Keys(m), compareKeys)
}

func sortedSets[T any](m map[set]T) []set {
	return slices.SortedFunc(maps.Keys(m), func(a, b set) int {
		return cmp.Or(compareKeys(a.rowKey, b.rowKey), strings.Compare(a.column, b.column))
	})
}

// changed lists pointers to the fields of want that differ from have. Shared
// columns are never compared. Lists are sets, and none is the same as empty.
func changed(have, want row) []any {
	a, b := reflect.ValueOf(have).Elem(), reflect.ValueOf(want).Elem()
	var out []any
	for i := range b.NumField() {
		field := b.Type().Field(i)
		if field.Tag.Get("ovsdb") == "_uuid" || field.Tag.Get("kumoi") == "shared" || same(a.Field(i), b.Field(i)) {
			continue
		}
		out = append(out, b.Field(i).Addr().Interface())
	}
	return out
}

func same(a, b reflect.Value) bool {
	switch x := a.Interface().(type) {
	case []string:
		y, _ := b.Interface().([]string)
		if len(x) != len(y) {
			return false
		}
		return slices.Equal(slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y)))
	case map[string]string:
		y, _ := b.Interface().(map[string]string)
		return maps.Equal(x, y)
	case map[string]int:
		y, _ := b.Interface().(map[string]int)
		return maps.Equal(x, y)
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

// cached is the copy of the northbound database that the connection keeps.
type cached struct{ *cache.TableCache }

func (c cached) row(table, uuid string) row {
	r, _ := c.Table(table).Row(uuid).(row)
	return r
}

func (c cached) has(table, uuid string) bool { return c.Table(table).HasRow(uuid) }

func (c cached) owned(table, kind, id string) []row {
	t := c.Table(table)
	typ, ok := c.DatabaseModel().Types()[table]
	if !ok {
		return nil
	}
	like := reflect.New(typ.Elem())
	like.Elem().FieldByName("ExternalIDs").Set(reflect.ValueOf(map[string]string{idKey: id}))
	m, ok := like.Interface().(model.Model)
	if !ok {
		return nil
	}
	found, err := t.RowsByModels([]model.Model{m})
	if err != nil {
		return nil
	}
	var out []row
	for _, f := range found {
		if r, ok := f.(row); ok && r.ids()[kindKey] == kind && r.ids()[idKey] == id {
			out = append(out, r)
		}
	}
	return out
}

func (c cached) each(table string, fn func(string, row)) {
	for uuid, m := range c.Table(table).RowsShallow() {
		if r, ok := m.(row); ok {
			fn(uuid, r)
		}
	}
}

func (c cached) rowOf(r row, fields ...any) (ovsdb.Row, error) {
	info, err := c.DatabaseModel().NewModelInfo(r)
	if err != nil {
		return nil, err
	}
	out, err := c.Mapper().NewRow(info, fields...)
	delete(out, "_uuid")
	return out, err
}
