package api

import (
	"context"
	"kumoi/internal/kernel/httpx"
)

func (h *handlers) projectLimits(ctx context.Context, r *httpx.Request, id string) []object {
	return nil
}
