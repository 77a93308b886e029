package httpapi

import (
	"net/http"
	"slices"

	"github.com/go-chi/chi/v5"
)

// Routes are the paths that h, made by New, routes, sorted.
func Routes(h http.Handler) (paths []string) {
	collect := func(_, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		paths = append(paths, path)
		return nil
	}
	if err := chi.Walk(h.(*API).router, collect); err != nil {
		panic(err) // collect does not fail
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}
