package peer

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// randomMessage has some of the fields that messages in a stream may have.
func randomMessage(r *rand.Rand) *raftpb.Message {
	number := func() *uint64 {
		if r.IntN(3) == 0 {
			return nil
		}
		return new(r.Uint64() >> r.IntN(64))
	}
	data := func() []byte {
		if r.IntN(3) == 0 {
			return nil
		}
		return bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(300))
	}
	m := &raftpb.Message{
		To: number(), From: number(), Term: number(), LogTerm: number(), Index: number(), Commit: number(),
		Vote: number(), RejectHint: number(), Context: data(),
	}
	if r.IntN(2) == 0 {
		m.Type = raftpb.MessageType(r.IntN(24)).Enum()
		m.Reject = new(r.IntN(2) == 0)
	}
	for range r.IntN(5) {
		e := &raftpb.Entry{Term: number(), Index: number(), Data: data()}
		if r.IntN(2) == 0 {
			e.Type = raftpb.EntryType(r.IntN(3)).Enum()
		}
		m.Entries = append(m.Entries, e)
	}
	return m
}

func TestTheCodecAndProtoAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		m := randomMessage(r)
		ours := appendMessage(nil, m)
		theirs, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(ours, theirs) {
			t.Fatalf("%v\nour bytes   %x\nproto's     %x", m, ours, theirs)
		}
		got, err := decode(theirs)
		if err != nil || !proto.Equal(got, m) {
			t.Fatalf("decoded %v, %v\nwant %v", got, err, m)
		}
	}
}

func TestADecodedMessageKeepsNothingOfTheBuffer(t *testing.T) {
	m := newAppend(1, 2, 3, 2, 50)
	m.Context = []byte("context")
	b := appendMessage(nil, m)
	got, err := decode(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if !proto.Equal(got, m) {
		t.Errorf("got %v, want %v", got, m)
	}
}

// Whatever decode takes, proto takes as well, and for the same.
func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		f.Add(appendMessage(nil, randomMessage(r)))
	}
	f.Add([]byte{0x72, 2, 8, 1})                      // a response
	f.Add([]byte{0x3a, 0, 0x3b, 0x3c})                // a group
	f.Add([]byte{0x08, 0x80, 0x80, 0x80, 0})          // a long number
	f.Add([]byte{0x72, 2, 0x30, 0x86})                // a response that is junk
	f.Add([]byte{0xba, 0x8d, 0x8d, 0x8d, 0x30, 0x30}) // a field whose number is too high
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decode(b)
		want := &raftpb.Message{}
		theirs := proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, want)
		if err != nil {
			if !errors.Is(err, errJunk) {
				t.Errorf("refused with %v", err)
			}
			if theirs == nil && len(want.Entries) <= maxEntries {
				t.Errorf("refused, but proto reads %v", want)
			}
			return
		}
		if theirs != nil {
			if !hasLeftOut(b) {
				t.Errorf("taken, but proto says %v", theirs)
			}
			return // the field with the junk is left out
		}
		want.Snapshot, want.Responses = nil, nil
		if !proto.Equal(got, want) {
			t.Errorf("got %v, proto reads %v", got, want)
		}
		if again, err := decode(appendMessage(nil, got)); err != nil || !proto.Equal(again, got) {
			t.Errorf("written again: %v, %v", again, err)
		}
	})
}

// hasLeftOut is whether b has a field that decode leaves out. b is well formed.
func hasLeftOut(b []byte) bool {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if kind == protowire.BytesType && (field == 9 || field == 14) {
			return true
		}
		b = b[n:]
		b = b[protowire.ConsumeFieldValue(field, kind, b):]
	}
	return false
}

// framesOf reads all frames of b, however it comes.
func framesOf(r io.Reader, early []byte) (frames [][]byte, buffer int, err error) {
	in := newFrameReader(r, early)
	for {
		frame, err := in.next()
		if err != nil {
			return frames, len(in.buf), err
		}
		frames = append(frames, bytes.Clone(frame))
	}
}

func TestFramesAreFoundHoweverTheyCome(t *testing.T) {
	var b []byte
	var want []*raftpb.Message
	r := rand.New(rand.NewPCG(9, 10))
	for range 50 {
		m := randomMessage(r)
		if r.IntN(10) == 0 {
			m = newAppend(1, 2, 3, 1, readSize*3)
		}
		b, _ = appendFrame(b, m)
		want = append(want, m)
	}
	for name, in := range map[string]io.Reader{
		"at once": bytes.NewReader(b), "in halves": iotest.HalfReader(bytes.NewReader(b)),
		"in bytes": iotest.OneByteReader(bytes.NewReader(b)), "with the error": iotest.DataErrReader(bytes.NewReader(b)),
	} {
		frames, _, err := framesOf(in, nil)
		if err != io.EOF || len(frames) != len(want) {
			t.Fatalf("%s: %d frames, %v", name, len(frames), err)
		}
		for i := range frames {
			if got, err := decode(frames[i]); err != nil || !proto.Equal(got, want[i]) {
				t.Fatalf("%s: frame %d is %v, %v", name, i, got, err)
			}
		}
	}
	if frames, _, err := framesOf(bytes.NewReader(b[100:]), b[:100]); err != io.EOF || len(frames) != len(want) {
		t.Errorf("with some bytes early: %d frames, %v", len(frames), err)
	}
	if _, _, err := framesOf(bytes.NewReader(b[:len(b)-1]), nil); err != io.ErrUnexpectedEOF {
		t.Errorf("cut: %v", err)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add([]byte{0, 0, 0, 2, 1, 2, 0, 0, 0, 0}, 3)
	f.Add([]byte{4, 0, 0, 0, 1}, 1)
	f.Add([]byte{0xff, 0, 0, 0, 1}, 1)
	f.Fuzz(func(t *testing.T, b []byte, early int) {
		early = max(0, min(early, len(b)))
		frames, buffer, err := framesOf(iotest.HalfReader(bytes.NewReader(b[early:])), b[:early])
		n := 0
		for _, frame := range frames {
			if !bytes.Equal(frame, b[n+frameHeader:][:len(frame)]) {
				t.Errorf("frame %x is not in %x", frame, b)
			}
			n += frameHeader + len(frame)
		}
		if err == io.EOF != (n == len(b)) || buffer > max(readSize, 2*len(b)) {
			t.Errorf("%d bytes of %d in frames, %d in the buffer, %v", n, len(b), buffer, err)
		}
	})
}
