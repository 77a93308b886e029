package httpapi

import (
	"log/slog"
	"net/http"
	"time"
)

// NewServer makes the server of a listener: HTTP/1.1 and HTTP/2, agreed on in a
// TLS handshake or, without TLS, begun by the client, with limits on everything
// a client can be slow at. There is no limit on reading a whole request, it would cut
// watches; the handler limits bodies itself, and renews the write limit with
// every piece it sends, so that only an answer nobody takes meets it.
//
// In HTTP/2 these limits are those of single streams. What keeps a connection
// from hanging on a client that reads nothing is WriteByteTimeout.
func NewServer(h http.Handler, logger *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Protocols:         protocols,
		Handler:           h,
		ReadHeaderTimeout: 30 * time.Second,
		WriteTimeout:      5 * time.Minute,
		IdleTimeout:       10 * time.Minute,
		MaxHeaderBytes:    1 << 20,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			WriteByteTimeout:     pieceTime,
		},
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}
