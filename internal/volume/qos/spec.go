// Package qos keeps QoS specs: how fast the volumes of a type may be read and
// written, and who sees to it: the back end, which serves the bytes, the front
// end, which is the guest's hypervisor, or both.
package qos

import (
	"strconv"
	"strings"
	"time"

	"kumoi/internal/hostapi"
)

// Spec is a QoS spec.
type Spec struct {
	ID        string
	Name      string
	Consumer  string
	Specs     map[string]string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// The consumers.
const (
	FrontEnd = "front-end"
	BackEnd  = "back-end"
	Both     = "both"
)

// Limits are what the back end of a volume of a size keeps to; none of a nil
// spec, or of one that the front end consumes.
func (s *Spec) Limits(sizeGiB int) hostapi.VolumeLimits {
	if s == nil || s.Consumer == FrontEnd {
		return hostapi.VolumeLimits{}
	}
	return limits(s.sized(sizeGiB))
}

// FrontEndLimits are the same for the front end.
func (s *Spec) FrontEndLimits(sizeGiB int) hostapi.VolumeLimits {
	return limits(s.FrontEndSpecs(sizeGiB))
}

// FrontEndSpecs are the specs of a volume of a size that its connection tells
// the front end; nil for none.
func (s *Spec) FrontEndSpecs(sizeGiB int) map[string]string {
	if s == nil || s.Consumer == BackEnd || len(s.Specs) == 0 {
		return nil
	}
	return s.sized(sizeGiB)
}

// sized replaces what is said per GiB by what it comes to, but not less than
// the spec's "_per_gb_min".
func (s *Spec) sized(sizeGiB int) map[string]string {
	out := map[string]string{}
	for k, v := range s.Specs {
		base, perGiB := strings.CutSuffix(k, "_per_gb")
		n, err := strconv.ParseInt(v, 10, 64)
		switch {
		case strings.HasSuffix(k, "_per_gb_min"):
		case !perGiB || err != nil:
			if _, done := out[k]; !done {
				out[k] = v
			}
		default:
			least, _ := strconv.ParseInt(s.Specs[k+"_min"], 10, 64)
			out[base] = strconv.FormatInt(max(n*int64(sizeGiB), least), 10)
		}
	}
	return out
}

func limits(specs map[string]string) (l hostapi.VolumeLimits) {
	for key, at := range map[string]*int64{
		"total_iops_sec": &l.TotalIOPS, "read_iops_sec": &l.ReadIOPS, "write_iops_sec": &l.WriteIOPS,
		"total_bytes_sec": &l.TotalBytes, "read_bytes_sec": &l.ReadBytes, "write_bytes_sec": &l.WriteBytes,
		"total_iops_sec_max": &l.TotalIOPSMax, "read_iops_sec_max": &l.ReadIOPSMax, "write_iops_sec_max": &l.WriteIOPSMax,
		"total_bytes_sec_max": &l.TotalBytesMax, "read_bytes_sec_max": &l.ReadBytesMax, "write_bytes_sec_max": &l.WriteBytesMax,
		"total_iops_sec_max_length": &l.TotalIOPSMaxLength, "read_iops_sec_max_length": &l.ReadIOPSMaxLength,
		"write_iops_sec_max_length": &l.WriteIOPSMaxLength, "total_bytes_sec_max_length": &l.TotalBytesMaxLength,
		"read_bytes_sec_max_length": &l.ReadBytesMaxLength, "write_bytes_sec_max_length": &l.WriteBytesMaxLength,
		"size_iops_sec": &l.SizeIOPS,
	} {
		if n, err := strconv.ParseInt(specs[key], 10, 64); err == nil && n > 0 {
			*at = n
		}
	}
	return l
}
