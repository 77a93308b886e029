package stats

// engineFigures are shown of each engine: tree, which has no write-ahead log,
// and log.
func engineFigures() []figure[Engine] {
	shown := func(name, help string, read func(*Engine) float64) figure[Engine] {
		return gauge("keytree_engine_"+name, help, read, "engine")
	}
	counted := func(name, help string, read func(*Engine) float64) figure[Engine] {
		return counter("keytree_engine_"+name, help, read, "engine")
	}
	return []figure[Engine]{
		shown("disk_bytes", "Size, in bytes, of the engine's files; of a write-ahead log, what it holds.",
			func(e *Engine) float64 { return e.DiskBytes }),
		shown("wal_bytes", "Size, in bytes, of what the write-ahead log of the engine holds; the tree has none.",
			func(e *Engine) float64 { return e.WALBytes }),
		shown("memtable_bytes", "Size, in bytes, of the memtables, which hold what was written and is not in a table yet.",
			func(e *Engine) float64 { return e.MemtableBytes }),
		shown("memtables", "Memtables of the engine; a count.",
			func(e *Engine) float64 { return e.Memtables }),
		shown("tables", "Tables of the engine on disk; a count.",
			func(e *Engine) float64 { return e.Tables }),
		shown("l0_tables", "Tables in level 0, where what was written arrives; a count.",
			func(e *Engine) float64 { return e.L0Tables }),
		shown("l0_sublevels", "Layers of tables in level 0, each of which a read may have to look at; a count.",
			func(e *Engine) float64 { return e.L0Sublevels }),
		shown("read_amplification", "Tables that a read looks at in the worst case; a count.",
			func(e *Engine) float64 { return e.ReadAmplification }),
		shown("compactions_running", "Compactions under way; a count.",
			func(e *Engine) float64 { return e.Compacting }),
		shown("compaction_debt_bytes", "Size, in bytes, of what should still be compacted; an estimate.",
			func(e *Engine) float64 { return e.CompactionDebt }),
		counted("flushes_total", "Memtables that were written to disk; a count.",
			func(e *Engine) float64 { return e.Flushes }),
		counted("compactions_total", "Compactions that are done; a count.",
			func(e *Engine) float64 { return e.Compactions }),
		counted("compaction_seconds_total", "Time that compactions took, in seconds.",
			func(e *Engine) float64 { return e.CompactionSeconds }),
		counted("written_bytes_total", "Size, in bytes, of the tables that flushes and compactions have written.",
			func(e *Engine) float64 { return e.Written }),
		counted("wal_written_bytes_total", "Size, in bytes, of what was written to the write-ahead log; the tree has none.",
			func(e *Engine) float64 { return e.WALWritten }),
		counted("write_stalls_total", "Times that writing had to wait for flushes or compactions; a count.",
			func(e *Engine) float64 { return e.Stalls }),
		counted("write_stall_seconds_total", "How long, in seconds, writing had to wait for flushes or compactions.",
			func(e *Engine) float64 { return e.StalledSeconds }),
	}
}
