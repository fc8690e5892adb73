package image

import "kumoi/internal/image/backend"

func (s *Service) openCached(*Image) backend.Object { return nil }
func (s *Service) dropCached(string)                {}
