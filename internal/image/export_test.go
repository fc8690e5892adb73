package image

import (
	"context"

	"kumoi/internal/kernel/saga"
)

// ImportState is the variables of the image service's sagas, for the harness.
type ImportState = importState

// ImportSaga and LocationSaga are the service's sagas, for the harness.
func (s *Service) ImportSaga() saga.Definition[ImportState]   { return s.Imports.saga() }
func (s *Service) LocationSaga() saga.Definition[ImportState] { return s.Locations.saga() }

// Scoped is the query that a list of images makes of a request's.
var Scoped = (*Images).scoped

// Upkeep is what the service does by itself from time to time.
func (s *Service) Upkeep() map[string]func(context.Context) (string, error) {
	return map[string]func(context.Context) (string, error){
		"reap": s.Uploads.reap, "cache": s.Cache.fill, "stores": s.Stores.check, "tasks": s.Tasks.expire,
	}
}
