package qos

import (
	"testing"

	"kumoi/internal/hostapi"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	specs := map[string]string{
		"total_iops_sec": "100", "read_bytes_sec_max": "7", "write_iops_sec_per_gb": "3", "write_iops_sec_per_gb_min": "20",
		"read_iops_sec_per_gb": "5", "size_iops_sec": "4096", "total_bytes_sec": "many",
	}
	small := hostapi.VolumeLimits{TotalIOPS: 100, ReadBytesMax: 7, WriteIOPS: 20, ReadIOPS: 10, SizeIOPS: 4096}
	large := hostapi.VolumeLimits{TotalIOPS: 100, ReadBytesMax: 7, WriteIOPS: 30, ReadIOPS: 50, SizeIOPS: 4096}
	none := hostapi.VolumeLimits{}
	for _, tc := range []struct {
		consumer     string
		size         int
		back, before hostapi.VolumeLimits
	}{
		{BackEnd, 2, small, none}, {FrontEnd, 2, none, small}, {Both, 10, large, large},
	} {
		s := &Spec{Consumer: tc.consumer, Specs: specs}
		if got := s.Limits(tc.size); got != tc.back {
			t.Errorf("%s, %d GiB: the back end keeps %+v, want %+v", tc.consumer, tc.size, got, tc.back)
		}
		if got := s.FrontEndLimits(tc.size); got != tc.before {
			t.Errorf("%s, %d GiB: the front end keeps %+v, want %+v", tc.consumer, tc.size, got, tc.before)
		}
	}
	var nobody *Spec
	if nobody.Limits(1) != none || nobody.FrontEndSpecs(1) != nil {
		t.Error("no spec limits something")
	}
}
