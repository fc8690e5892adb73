package network

// Service is the network service.
type Service struct{}
