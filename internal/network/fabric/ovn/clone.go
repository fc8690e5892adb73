package ovn

import (
	"maps"
	"reflect"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/model"
)

// The connection's copy hands out clones of rows, and makes them through JSON
// unless a row knows better. Comparing a large cloud with its rows clones each.

// cloneInto copies a row with its lists, maps and optional values.
func cloneInto[T any](from, to *T) {
	*to = *from
	v := reflect.ValueOf(to).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); x := f.Interface().(type) {
		case []string:
			f.Set(reflect.ValueOf(slices.Clone(x)))
		case map[string]string:
			f.Set(reflect.ValueOf(maps.Clone(x)))
		case map[string]int:
			f.Set(reflect.ValueOf(maps.Clone(x)))
		case *string:
			f.Set(reflect.ValueOf(copyOf(x)))
		case *int:
			f.Set(reflect.ValueOf(copyOf(x)))
		case *bool:
			f.Set(reflect.ValueOf(copyOf(x)))
		}
	}
}

func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return ptr(*p)
}

func clone[T any](r *T) model.Model {
	c := new(T)
	cloneInto(r, c)
	return c
}

func cloneTo[T any](r *T, m model.Model) {
	if to, ok := m.(*T); ok {
		cloneInto(r, to)
	}
}

// CloneModel copies the row.
func (r *logicalSwitch) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *logicalSwitch) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *switchPort) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *switchPort) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *lease) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *lease) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *dnsRecords) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *dnsRecords) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *portGroup) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *portGroup) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *acl) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *acl) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *qosRule) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *qosRule) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *addressSet) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *addressSet) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *logicalRouter) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *logicalRouter) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *routerPort) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *routerPort) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *staticRoute) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *staticRoute) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *natRule) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *natRule) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *gatewayChassis) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *gatewayChassis) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *loadBalancer) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *loadBalancer) CloneModelInto(m model.Model) { cloneTo(r, m) }

// CloneModel copies the row.
func (r *portBinding) CloneModel() model.Model { return clone(r) }

// CloneModelInto copies the row into another.
func (r *portBinding) CloneModelInto(m model.Model) { cloneTo(r, m) }
