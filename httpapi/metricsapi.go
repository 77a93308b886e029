package httpapi

import "net/http"

// NewMetricsHandler makes the handler of the listeners that serve /metrics,
// /health, /livez and /readyz and nothing else: those who watch over members
// need no way to the keys. c is the same as for New, and so are the answers. As
// in etcd these listeners have no Gate before them, and know no OPTIONS.
func NewMetricsHandler(c Config) http.Handler {
	a := &API{Config: c.withDefaults()}
	routes := map[string]http.Handler{
		"/metrics": a.metrics(),
		"/health":  a.on("GET", verbs{"GET": a.health}),
	}
	if a.Reporter != nil {
		routes[livePath] = a.on("GET,HEAD", verbs{"GET": a.live, "HEAD": a.live})
		routes[readyPath] = a.on("GET,HEAD", verbs{"GET": a.ready, "HEAD": a.ready})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			limitBodyTime(w)
		}
		switch h, found := routes[r.URL.Path]; {
		case r.Method != http.MethodConnect && r.RequestURI != "*" && !isClean(r.URL.Path):
			redirect(w, r)
		case found:
			h.ServeHTTP(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}
