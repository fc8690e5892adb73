// Package deptest holds the direction of imports: kernel ← services ← app ←
// cmd, the agent beside the services, nothing sideways into another's insides.
package deptest
