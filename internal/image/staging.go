package image

import (
	"os"
	"path/filepath"
)

// staged is where an image's data waits for its import.
func (s *Service) staged(id string) string { return filepath.Join(s.stagingDir(), id) }

// dropStaged removes whatever waits for an import of the image.
func (s *Service) dropStaged(id string) {
	for _, path := range []string{s.staged(id), s.staged(id) + ".part", s.staged(id) + ".out"} {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			s.log.Warn("staged data not removed", "image_id", id, "error", err)
		}
	}
}
