package volume

// Transfers give volumes to other projects.
type Transfers struct{ s *Service }
