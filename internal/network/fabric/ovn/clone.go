package ovn

import (
	"maps"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/model"
)

// The connection's copy hands out clones of rows, made through JSON unless the
// row knows better. These two can have many thousands of members.

// CloneModel copies the row.
func (r *logicalSwitch) CloneModel() model.Model {
	c := *r
	c.Ports, c.DNSRecords, c.ACLs = slices.Clone(r.Ports), slices.Clone(r.DNSRecords), slices.Clone(r.ACLs)
	c.OtherConfig, c.ExternalIDs = maps.Clone(r.OtherConfig), maps.Clone(r.ExternalIDs)
	return &c
}

// CloneModelInto copies the row into another one.
func (r *logicalSwitch) CloneModelInto(m model.Model) {
	if to, ok := m.(*logicalSwitch); ok {
		*to = *r.CloneModel().(*logicalSwitch) //nolint:forcetypeassert // made three lines above
	}
}

// CloneModel copies the row.
func (r *portGroup) CloneModel() model.Model {
	c := *r
	c.Ports, c.ACLs, c.ExternalIDs = slices.Clone(r.Ports), slices.Clone(r.ACLs), maps.Clone(r.ExternalIDs)
	return &c
}

// CloneModelInto copies the row into another one.
func (r *portGroup) CloneModelInto(m model.Model) {
	if to, ok := m.(*portGroup); ok {
		*to = *r.CloneModel().(*portGroup) //nolint:forcetypeassert // made three lines above
	}
}
