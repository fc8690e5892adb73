package api

import (
	"fmt"

	"kumoi/internal/hostapi"
)

// oldDiagnostics is the flat form of libvirt's driver, before 2.48.
func oldDiagnostics(d *hostapi.Diagnostics) object {
	doc := object{"memory": d.MemoryMiB * 1024, "memory-actual": d.MemoryMiB * 1024, "memory-rss": d.MemoryUsed * 1024}
	for i, ns := range d.CPUTimeNs {
		doc[fmt.Sprintf("cpu%d_time", i)] = ns
	}
	for _, dk := range d.Disks {
		doc[dk.Device+"_read"], doc[dk.Device+"_read_req"] = dk.ReadBytes, dk.ReadRequests
		doc[dk.Device+"_write"], doc[dk.Device+"_write_req"] = dk.WriteBytes, dk.WriteReqs
		doc[dk.Device+"_errors"] = dk.Errors
	}
	for i, n := range d.NICs {
		name := fmt.Sprintf("vnet%d", i)
		doc[name+"_rx"], doc[name+"_rx_packets"], doc[name+"_rx_drop"], doc[name+"_rx_errors"] = n.RxBytes, n.RxPackets, n.RxDrop, n.RxErrors
		doc[name+"_tx"], doc[name+"_tx_packets"], doc[name+"_tx_drop"], doc[name+"_tx_errors"] = n.TxBytes, n.TxPackets, n.TxDrop, n.TxErrors
	}
	return doc
}
