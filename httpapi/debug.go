package httpapi

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"keytree/stats"
)

// metrics answers /metrics, to any method, in the one text format that every
// scraper understands: what a client would rather have is not asked.
func (a *API) metrics() http.Handler {
	page := promhttp.HandlerFor(a.Metrics, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(a.Logger.Handler(), slog.LevelWarn),
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		plain := *r
		plain.Header = r.Header.Clone() // the request's own is the connection's
		plain.Header.Del("Accept")
		page.ServeHTTP(plainMetrics{w}, &plain)
	})
}

// plainMetrics puts etcd's headers in place of promhttp's: its content type
// also names an escaping scheme, and it says that the answer varies.
type plainMetrics struct{ http.ResponseWriter }

func (p plainMetrics) WriteHeader(status int) {
	p.plain()
	p.ResponseWriter.WriteHeader(status)
}

func (p plainMetrics) Write(b []byte) (int, error) {
	p.plain()
	return p.ResponseWriter.Write(b)
}

func (p plainMetrics) plain() {
	h := p.Header()
	h.Del("Vary")
	if strings.HasPrefix(h.Get("Content-Type"), contentProm[0]) {
		h["Content-Type"] = contentProm
	}
}

// vars answers /debug/vars.
func (a *API) vars(*http.Request) (reply, error) {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	memstats, err := json.Marshal(&memory)
	if err != nil {
		return reply{}, err
	}
	limit, _ := stats.FileLimit() // zero where the system does not say

	b := appendStrings([]byte("{\n\"cmdline\": "), os.Args)
	b = append(b, ",\n\"file_descriptor_limit\": "...)
	b = strconv.AppendUint(b, limit, 10)
	b = append(b, ",\n\"memstats\": "...)
	b = append(b, memstats...)
	b = append(b, ",\n\"raft.status\": "...)
	b = append(b, a.RaftStatus()...)
	return reply{content: contentUTF8, body: append(b, "\n}\n"...)}, nil
}

// levels are the names of log levels, as etcd has them, by first letter.
var levels = map[string]slog.Level{
	"CRITICAL": slog.LevelError + 4,
	"ERROR":    slog.LevelError,
	"WARNING":  slog.LevelWarn,
	"NOTICE":   slog.LevelInfo + 2,
	"INFO":     slog.LevelInfo,
	"DEBUG":    slog.LevelDebug,
	"TRACE":    slog.LevelDebug - 4,
}

// setLogLevel answers PUT /config/local/log.
func (a *API) setLogLevel(r *http.Request) (reply, error) {
	var wish struct{ Level string }
	body := http.MaxBytesReader(nil, r.Body, 64<<10)
	if err := json.NewDecoder(body).Decode(&wish); err != nil {
		return reply{}, &problem{http.StatusBadRequest, "Invalid json body"}
	}
	level, known := logLevel(strings.ToUpper(wish.Level))
	if !known {
		return reply{}, &problem{http.StatusBadRequest, "Invalid log level " + wish.Level}
	}
	a.LogLevel.Set(level)
	a.Logger.Info("log level set by a client", "level", level, "client", r.RemoteAddr)
	return reply{status: http.StatusNoContent, made: level.String()}, nil
}

// logLevel finds a level by its name or the name's first letter.
func logLevel(name string) (slog.Level, bool) {
	if level, known := levels[name]; known {
		return level, true
	}
	for full, level := range levels {
		if name == full[:1] {
			return level, true
		}
	}
	return 0, false
}
