package peer

import (
	"log/slog"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"keytree/stats"
)

// progressEvery is how often the log tells how far a snapshot is.
const progressEvery = 5 * time.Second

// A report tells the log, and the counters, how far a snapshot is.
type report struct {
	log         *slog.Logger
	what        string
	began, told time.Time
	bytes, then int64 // so far, and when last told
	counts      *stats.Snapshots
}

func (p *peer) report(what string, m *raftpb.Message, counts *stats.Snapshots) *report {
	now := time.Now()
	meta := m.GetSnapshot().GetMetadata()
	log := p.t.log.With("peer", p.id.String(), "position", meta.GetIndex(), "term", meta.GetTerm())
	log.Info(what + " begins")
	counts.Begin()
	return &report{log: log, what: what, began: now, told: now, counts: counts}
}

func (r *report) add(n int) {
	r.bytes += int64(n)
	r.counts.Moved(n)
	now := time.Now()
	if d := now.Sub(r.told); d >= progressEvery {
		r.log.Info(r.what, "bytes", r.bytes, "rate", int64(float64(r.bytes-r.then)/d.Seconds()))
		r.told, r.then = now, r.bytes
	}
}

func (r *report) end(err error) {
	took := time.Since(r.began)
	r.counts.End(err == nil, took)
	if err != nil {
		r.log.Warn(r.what+" failed", "bytes", r.bytes, "took", took, "error", err)
		return
	}
	r.log.Info(r.what+" is done", "bytes", r.bytes, "took", took)
}
