package placement

import (
	"fmt"
	"math"
	"time"
)

// Inventory is how much of one resource class a provider has, as in the
// placement API: amounts are whole units of the class.
type Inventory struct {
	ProviderID      string
	Class           string
	Total, Reserved int64
	MinUnit         int64
	MaxUnit         int64
	StepSize        int64
	AllocationRatio float64
	Used            int64 // the sum of the allocations
	UpdatedAt       time.Time
}

// MaxAmount is the largest amount the API carries.
const MaxAmount = math.MaxInt32

// Capacity is how much may be allocated in all.
func (i Inventory) Capacity() int64 {
	return int64(min(float64(i.Total-i.Reserved)*i.AllocationRatio, math.MaxInt64/2))
}

// Refuses says why an amount cannot be taken now; "" if it can.
func (i Inventory) Refuses(amount int64) string {
	if why := i.unfit(amount); why != "" {
		return why
	}
	if i.Used+amount > i.Capacity() {
		return fmt.Sprintf("needs %d, %d of %d are free", amount, max(0, i.Capacity()-i.Used), i.Capacity())
	}
	return ""
}

// unfit says which of the inventory's units an amount breaks, whatever is free.
func (i Inventory) unfit(amount int64) string {
	switch {
	case amount < i.MinUnit:
		return fmt.Sprintf("%d is less than the smallest unit %d", amount, i.MinUnit)
	case amount > i.MaxUnit:
		return fmt.Sprintf("%d is more than the largest unit %d", amount, i.MaxUnit)
	case i.StepSize > 1 && amount%i.StepSize != 0:
		return fmt.Sprintf("%d is not a multiple of %d", amount, i.StepSize)
	}
	return ""
}
