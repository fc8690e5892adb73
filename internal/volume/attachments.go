package volume

// Attachments are the clients of volumes.
type Attachments struct{ s *Service }
