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
