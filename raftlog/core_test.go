package raftlog

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// script drives cores without goroutines: every message, write and apply
// happens when the script says so.
type script struct {
	out   strings.Builder
	nodes map[uint64]*scriptNode
	wire  []*raftpb.Message
	cut   map[uint64]bool
	next  int
	reads map[string]*barrier
}

type scriptNode struct {
	config  Config
	machine *fakeMachine
	disk    *disk
	core    *core
	append  *appender
	apply   *applier
	bodies  map[uint64][]byte // of snapshots on their way, by position
}

func TestCore(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		s := &script{nodes: map[uint64]*scriptNode{}, cut: map[uint64]bool{}, reads: map[string]*barrier{}}
		defer func() {
			for _, n := range s.nodes {
				n.close()
			}
		}()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.out.Reset()
			s.run(t, d)
			if s.out.Len() == 0 {
				return "ok\n"
			}
			return s.out.String()
		})
	})
}

func arg(d *datadriven.TestData, key string, fallback uint64) uint64 {
	for _, a := range d.CmdArgs {
		if a.Key == key {
			n, err := strconv.ParseUint(a.Vals[0], 10, 64)
			if err != nil {
				panic(err)
			}
			return n
		}
	}
	return fallback
}

func (s *script) run(t *testing.T, d *datadriven.TestData) {
	n := s.nodes[arg(d, "at", 0)]
	switch d.Cmd {
	case "cluster":
		var voters []uint64
		for id := range arg(d, "size", 3) {
			voters = append(voters, id+1)
		}
		for _, id := range voters {
			s.boot(t, id, arg(d, "position", 10), 1, voters)
		}
	case "join":
		s.boot(t, arg(d, "id", 0), 0, 0, nil)
	case "campaign":
		if err := n.core.raw.Campaign(); err != nil {
			fmt.Fprintln(&s.out, err)
		}
		s.settle(t)
	case "forget":
		if err := n.core.raw.ForgetLeader(); err != nil {
			t.Fatal(err)
		}
		s.settle(t)
	case "tick":
		for range arg(d, "n", 1) {
			for _, id := range s.ids() {
				s.nodes[id].core.mono += 100
				s.nodes[id].core.tick()
			}
			s.settle(t)
		}
	case "propose":
		var list []proposal
		for _, line := range strings.Split(d.Input, "\n") {
			s.next++
			buf := sealed(line)
			seal(buf, uint64(s.next))
			list = append(list, proposal{t.Context(), buf})
		}
		if left := n.core.propose(list); len(left) > 0 {
			fmt.Fprintf(&s.out, "%d proposals were not taken\n", len(left))
		}
		s.settle(t)
	case "change":
		changes, err := raftpb.ConfChangesFromString(d.Input)
		if err != nil {
			t.Fatal(err)
		}
		e, err := sealChange(&raftpb.ConfChangeV2{Changes: changes})
		if err != nil {
			t.Fatal(err)
		}
		n.core.proposeChange(t.Context(), e)
		s.settle(t)
	case "read":
		b := newBarrier()
		s.reads[d.CmdArgs[len(d.CmdArgs)-1].Key] = b
		n.core.read(b)
		s.settle(t)
	case "reads":
		for _, name := range slices.Sorted(maps.Keys(s.reads)) {
			b := s.reads[name]
			select {
			case <-b.done:
				fmt.Fprintf(&s.out, "%s is answered, err=%v\n", name, b.err)
			default:
				fmt.Fprintf(&s.out, "%s waits\n", name)
			}
		}
	case "cut", "mend":
		s.cut[arg(d, "id", 0)] = d.Cmd == "cut"
	case "restart":
		n.close()
		n.machine = n.machine.restarted()
		n.config.Machine = n.machine
		s.open(t, n)
		s.settle(t)
	case "truncate":
		if job := n.core.truncate(arg(d, "durable", 0), arg(d, "keep", 0), 1<<30); job != nil {
			s.write(t, n, job)
			fmt.Fprintf(&s.out, "truncated to %d\n", job.truncate.to.position)
		}
	case "transfer":
		n.core.raw.TransferLeader(arg(d, "to", 0))
		s.settle(t)
	case "clock":
		n.core.clock.offset.Store(int64(arg(d, "shows", 0)) - n.core.mono)
	case "status":
		for _, id := range s.ids() {
			c := s.nodes[id].core
			fmt.Fprintf(&s.out, "%d: %s leader=%d term=%d commit=%d applied=%d log=(%d,%d] voters=%v learners=%v\n",
				id, c.state, c.leader, c.term, c.commit, c.applied,
				c.storage.truncated.position, c.storage.last.position, c.conf.GetVoters(), c.conf.GetLearners())
		}
	case "facts":
		for _, id := range s.ids() {
			if id != arg(d, "at", id) {
				continue
			}
			for _, f := range s.nodes[id].machine.facts() {
				fmt.Fprintf(&s.out, "%d: %d/%d id=%d stamp=%d %s%s", id, f.Position, f.Term, f.ID, f.Stamp, f.Data, f.Change)
				if f.Refused {
					s.out.WriteString(" refused")
				}
				s.out.WriteByte('\n')
			}
		}
	default:
		t.Fatalf("unknown command %q", d.Cmd)
	}
}

func (s *script) ids() []uint64 { return slices.Sorted(maps.Keys(s.nodes)) }

func (s *script) boot(t *testing.T, id, position, term uint64, voters []uint64) {
	t.Helper()
	n := &scriptNode{bodies: map[uint64][]byte{}}
	var note []byte
	if position > 0 {
		note = Note(voters, nil, term, 0)
	}
	n.machine = newFakeMachine(position, note)
	n.config = Config{ID: id, Dir: "log", FS: vfs.NewMem(), Machine: n.machine, TailEntries: 4}.withDefaults()
	if err := Bootstrap(n.config, position, term, voters); err != nil {
		t.Fatal(err)
	}
	s.nodes[id] = n
	s.open(t, n)
}

func (s *script) open(t *testing.T, n *scriptNode) {
	t.Helper()
	l, err := Open(n.config)
	if err != nil {
		t.Fatal(err)
	}
	n.disk, n.core, n.append, n.apply = l.disk, l.core, l.append, l.apply
	n.core.clock.offset.Store(1000 * int64(n.config.ID))
	if n.append.batch, err = n.disk.newBatch(); err != nil {
		t.Fatal(err)
	}
	n.append.restore = func(file string, at place) (note, error) {
		job := &restoreJob{file: file, at: at, done: make(chan error, 1)}
		err := n.apply.takeSnapshot(job)
		return job.note, err
	}
	n.apply.restore = func(job *restoreJob) error {
		position, err := strconv.ParseUint(job.file, 10, 64)
		if err != nil {
			return err
		}
		fmt.Fprintf(&s.out, "%d restores a snapshot of %d\n", n.config.ID, position)
		return n.machine.Restore(bytes.NewReader(n.bodies[position]))
	}
	n.apply.captured = func(c *capture, err error) {
		if err != nil {
			t.Fatal(err)
		}
		n.core.storage.snapshots.offer(c)
	}
	n.apply.durable = func(uint64) {}
	n.apply.deliver = func(jobs []*applyJob) {
		for _, job := range jobs {
			n.core.didApply(job)
		}
	}
}

func (n *scriptNode) close() {
	if err := n.append.batch.Close(); err != nil {
		panic(err)
	}
	n.core.storage.snapshots.close()
	if err := n.disk.close(); err != nil {
		panic(err)
	}
}

func (s *script) write(t *testing.T, n *scriptNode, job *appendJob) {
	t.Helper()
	if _, err := n.append.write([]*appendJob{job}); err != nil {
		t.Fatal(err)
	}
	for _, m := range job.m.GetResponses() {
		if m.GetTo() != n.config.ID {
			s.wire = append(s.wire, m)
		}
	}
	n.core.wrote(job)
}

// settle lets everything happen that is under way.
func (s *script) settle(t *testing.T) {
	t.Helper()
	for again := true; again; {
		again = false
		for _, id := range s.ids() {
			n := s.nodes[id]
			for {
				w, ok := n.core.ready()
				if !ok {
					break
				}
				again = true
				s.wire = append(s.wire, w.send...)
				if w.leaderChanged && n.core.leader == id {
					fmt.Fprintf(&s.out, "%d leads term %d\n", id, n.core.term)
				}
				if w.append != nil {
					s.write(t, n, w.append)
				}
				if w.apply != nil {
					if _, err := n.apply.do([]*applyJob{w.apply}); err != nil {
						t.Fatal(err)
					}
				}
				for _, out := range w.snapshots {
					s.sendSnapshot(t, n, out)
				}
			}
			if n.core.storage.snapshots.request() {
				n.apply.takeCapture()
			}
		}
		wire := s.wire
		s.wire = nil
		for _, m := range wire {
			if to := s.nodes[m.GetTo()]; to != nil && !s.cut[m.GetTo()] && !s.cut[m.GetFrom()] {
				to.core.step(incoming{m: proto.Clone(m).(*raftpb.Message)})
				again = true
			}
		}
	}
}

func (s *script) sendSnapshot(t *testing.T, n *scriptNode, out outgoing) {
	t.Helper()
	var b bytes.Buffer
	if _, err := out.capture.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	position := out.capture.at.position
	if err := out.capture.Close(); err != nil {
		t.Fatal(err)
	}
	n.core.storage.snapshots.sent(out.capture)
	to := s.nodes[out.m.GetTo()]
	if s.cut[out.m.GetTo()] {
		return
	}
	to.bodies[position] = b.Bytes()
	if err := gob.NewDecoder(bytes.NewReader(b.Bytes())).Decode(&state{}); err != nil {
		t.Fatal(err)
	}
	to.core.step(incoming{m: proto.Clone(out.m).(*raftpb.Message), file: fmt.Sprint(position)})
	n.core.raw.ReportSnapshot(out.m.GetTo(), 1)
}

// An entry that is not the proposal must never get its data.
func TestOnlyProposalsAreGivenTheirData(t *testing.T) {
	proposed := func(e *raftpb.Entry) (given string, refused any) {
		c := &core{bare: []proposal{{buf: []byte("data")}}}
		defer func() { given, refused = string(e.GetData()), recover() }()
		c.clothe([]*raftpb.Entry{{Data: []byte("earlier")}, e})
		return given, refused
	}
	for name, tt := range map[string]struct {
		entry *raftpb.Entry
		want  string
		fails bool
	}{
		"a bare entry":    {&raftpb.Entry{}, "data", false},
		"one with data":   {&raftpb.Entry{Data: []byte("own")}, "own", true},
		"another's entry": {&raftpb.Entry{Type: raftpb.EntryConfChangeV2.Enum()}, "", true},
	} {
		if given, refused := proposed(tt.entry); given != tt.want || (refused != nil) != tt.fails {
			t.Errorf("%s: has %q, refused with %v", name, given, refused)
		}
	}
}
