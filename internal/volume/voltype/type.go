// Package voltype keeps volume types: names under which an operator offers
// storage. A type's extra specs choose the back end, its encryption says how
// bytes are sealed, its QoS spec how fast they may be read and written. Volumes
// keep their type's id; what a volume was made with does not change while it is
// in use, because a type that has volumes changes neither.
package voltype

import (
	"slices"
	"strconv"
	"time"

	"kumoi/internal/kernel/errs"
)

// Type is a volume type.
type Type struct {
	ID          string
	Name        string
	Description *string
	Public      bool
	ExtraSpecs  map[string]string
	QoSSpecsID  *string
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Access lets a project use a private type.
type Access struct{ TypeID, ProjectID string }

// Encryption says how the volumes of a type are encrypted.
type Encryption struct {
	TypeID          string
	ID              string
	Provider        string // luks, luks2, or a class of Nova's
	Cipher          *string
	KeySize         *int
	ControlLocation string // front-end, back-end
	CreatedAt       time.Time
	UpdatedAt       time.Time
}

// Default is the type of a project's volumes whose request names none.
type Default struct{ ProjectID, TypeID string }

// DefaultName is the type that every cloud has, and that projects without a
// default of their own use.
const DefaultName = "__DEFAULT__"

// Extra specs with a meaning of their own.
const (
	SpecBackend     = "volume_backend_name"
	SpecZones       = "RESKEY:availability_zones"
	SpecMultiattach = "multiattach"
	SpecReplication = "replication_enabled"
	SpecMinSize     = "provisioning:min_vol_size"
	SpecMaxSize     = "provisioning:max_vol_size"
)

// visible are the extra specs that everybody may see.
var visible = []string{SpecZones, SpecMultiattach, SpecReplication}

// Visible are the extra specs of the type that users may see who may not see all.
func (t *Type) Visible() map[string]string {
	out := map[string]string{}
	for _, k := range visible {
		if v, ok := t.ExtraSpecs[k]; ok {
			out[k] = v
		}
	}
	return out
}

// IsVisible tells whether everybody may see an extra spec.
func IsVisible(spec string) bool { return slices.Contains(visible, spec) }

// Multiattach tells whether volumes of the type may have several attachments.
func (t *Type) Multiattach() bool { return t.is(SpecMultiattach) }

func (t *Type) is(spec string) bool { return t.ExtraSpecs[spec] == "<is> True" }

// CheckSize refuses a size, in GiB, that the type does not offer.
func (t *Type) CheckSize(size int) error {
	if least, err := strconv.Atoi(t.ExtraSpecs[SpecMinSize]); err == nil && size < least {
		return errs.New(errs.Invalid, "Invalid input received: Specified volume size of '%d' is less than the minimum required size of '%d' for volume type '%s'.",
			size, least, t.Name)
	}
	if most, err := strconv.Atoi(t.ExtraSpecs[SpecMaxSize]); err == nil && size > most {
		return errs.New(errs.Invalid, "Invalid input received: Specified volume size of '%d' is greater than the maximum allowable size of '%d' for volume type '%s'.",
			size, most, t.Name)
	}
	return nil
}
