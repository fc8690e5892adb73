package api

import (
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

// writeAddresses groups addresses by network, in the order they come.
func writeAddresses(w *rest.Writer, key string, addresses []network.ServerAddress, extended bool) {
	w.Object(key, func() {
		var done []string
		for i, first := range addresses {
			if contains(done, first.Network) {
				continue
			}
			done = append(done, first.Network)
			w.Key(first.Network)
			w.List("", func() {
				for _, ad := range addresses[i:] {
					if ad.Network == first.Network {
						writeAddress(w, ad, extended)
					}
				}
			})
		}
	})
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func writeAddress(w *rest.Writer, ad network.ServerAddress, extended bool) {
	w.Object("", func() {
		version := 4
		if ad.IP.Is6() {
			version = 6
		}
		w.Int("version", int64(version))
		w.Text("addr", ad.IP.String())
		if !extended {
			return
		}
		kind := "fixed"
		if ad.Floating {
			kind = "floating"
		}
		w.Text("OS-EXT-IPS:type", kind)
		w.Text("OS-EXT-IPS-MAC:mac_addr", ad.MAC)
	})
}
