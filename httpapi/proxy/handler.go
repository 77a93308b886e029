package proxy

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The paths a proxy answers itself.
const (
	metricsPath = "/metrics"
	configPath  = "/v2/config/local/proxy"
)

// newHandler makes the handler of the client listeners. As in etcd, a path is
// cleaned before anything else is looked at, and /metrics is open also to
// those who may only read.
func (p *Proxy) newHandler() http.Handler {
	metrics := p.metricsPage()
	forward := p.newForwarder()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			limitBodyTime(w)
		}
		switch clean := cleanPath(r.URL.Path); {
		case r.RequestURI == "*":
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusBadRequest)
		case r.Method != http.MethodConnect && clean != r.URL.Path:
			u := url.URL{Path: clean, RawQuery: r.URL.RawQuery}
			http.Redirect(w, r, u.String(), http.StatusMovedPermanently)
		case r.URL.Path == metricsPath:
			metrics.ServeHTTP(w, r)
		case p.config.Readonly && r.Method != http.MethodGet:
			w.WriteHeader(http.StatusNotImplemented)
		case r.Method == http.MethodOptions:
			w.WriteHeader(http.StatusOK)
		case r.Method == http.MethodConnect:
			http.NotFound(w, r)
		case r.URL.Path == configPath:
			p.showConfig(w, r)
		default:
			forward.ServeHTTP(w, r)
		}
	})
}

// cleanPath is p without empty, "." and ".." elements. A trailing slash stays.
func cleanPath(p string) string {
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// showConfig answers which endpoints requests go to, in that order.
func (p *Proxy) showConfig(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	// The type of the content is left to the server to find out, as in etcd.
	_ = json.NewEncoder(w).Encode(struct {
		Endpoints []string `json:"endpoints"`
	}{urls(p.endpoints.usable())}) // nobody left to tell
}

// metricsPage answers /metrics, to any method, in the one text format that
// every scraper understands.
func (p *Proxy) metricsPage() http.Handler {
	page := promhttp.HandlerFor(p.config.Metrics, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(p.config.Logger.Handler(), slog.LevelWarn),
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Accept")
		page.ServeHTTP(plainText{w}, r)
	})
}

// plainText puts etcd's headers in place of those the page would have.
type plainText struct{ http.ResponseWriter }

func (t plainText) WriteHeader(status int) {
	t.plain()
	t.ResponseWriter.WriteHeader(status)
}

func (t plainText) Write(b []byte) (int, error) {
	t.plain()
	return t.ResponseWriter.Write(b)
}

func (t plainText) plain() {
	const format = "text/plain; version=0.0.4; charset=utf-8"
	h := t.Header()
	h.Del("Vary")
	if strings.HasPrefix(h.Get("Content-Type"), format) {
		h.Set("Content-Type", format)
	}
}

// refuse answers with a status and a message, in etcd's form.
func refuse(w http.ResponseWriter, status int, message string) {
	body, err := json.Marshal(struct {
		Message string `json:"message"`
	}{message})
	if err != nil {
		panic("proxy: a text is always JSON: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // nobody left to tell
}

// bodyTime is how long a request's body may take to arrive.
const bodyTime = 60 * time.Second

// limitBodyTime makes reads of a request's body fail once bodyTime is over.
// The server lifts the limit when the body has been read.
func limitBodyTime(w http.ResponseWriter) {
	// A transport without deadlines (a test's recorder) has no slow clients.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
}
