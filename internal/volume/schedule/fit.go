package schedule

// Fit returns the pools that a request may be put into.
func Fit(pools []Pool, r Request) []Pool {
	var out []Pool
	for _, p := range pools {
		if refuse(p, r) == "" {
			out = append(out, p)
		}
	}
	return out
}

// Vendor is the vendor_name of every back end, as Cinder says of its own drivers.
const Vendor = "Open Source"

// Protocol is the storage_protocol of a driver: what its volumes are reached by.
func Protocol(driver string) string {
	switch driver {
	case "file":
		return "nbd"
	case "rbd":
		return "ceph"
	}
	return driver
}
