package block

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// blocksOf are bytes as blocks of a size.
func blocksOf(t testing.TB, size int, pieces ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, size)
	for _, p := range pieces {
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestBlocksGiveBackWhatWasWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var pieces [][]byte
		for range r.IntN(6) {
			p := make([]byte, r.IntN(500))
			for i := range p {
				p[i] = byte(r.Uint32())
			}
			pieces = append(pieces, p)
		}
		sent := blocksOf(t, 1+r.IntN(300), pieces...)
		got, err := io.ReadAll(NewReader(iotest.HalfReader(bytes.NewReader(sent))))
		if err != nil || !bytes.Equal(got, bytes.Join(pieces, nil)) {
			t.Fatalf("got %d bytes, %v", len(got), err)
		}
	}
}

func TestABodyThatWasCutOrChangedIsNeverWhole(t *testing.T) {
	content := bytes.Repeat([]byte("keytree."), 40)
	sent := blocksOf(t, 100, content)
	read := func(b []byte) ([]byte, error) {
		r := NewReader(bytes.NewReader(b))
		got, err := io.ReadAll(r)
		if err == nil != r.whole {
			t.Errorf("whole is %v, the error %v", r.whole, err)
		}
		return got, err
	}
	for n := range sent {
		got, err := read(sent[:n])
		if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(content, got) {
			t.Errorf("cut at %d: %d bytes, %v", n, len(got), err)
		}
	}
	for i := range len(sent) * 8 {
		changed := bytes.Clone(sent)
		changed[i/8] ^= 1 << (i % 8)
		if got, err := read(changed); err == nil || !bytes.HasPrefix(content, got) {
			t.Errorf("bit %d flipped: %d bytes, %v", i, len(got), err)
		}
	}
	if _, err := read(append(bytes.Clone(sent), 0)); !errors.Is(err, ErrTrailing) {
		t.Errorf("a byte too many: %v", err)
	}
	half := blocksOf(t, 100, content[:100])
	if _, err := read(append(half[:108], sent[216:]...)); !errors.Is(err, ErrDamaged) { // a block in the middle is missing
		t.Errorf("a block is missing: %v", err)
	}
}

func FuzzBlocks(f *testing.F) {
	f.Add([]byte{})
	f.Add(blocksOf(f, 10, []byte("what is written in blocks")))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		got, err := io.ReadAll(r)
		if len(got) > len(b) || err == nil != r.whole {
			t.Errorf("%d bytes of %d, %v", len(got), len(b), err)
		}
		if err != nil {
			return
		}
		again, err := io.ReadAll(NewReader(bytes.NewReader(blocksOf(t, 64, got))))
		if err != nil || !bytes.Equal(again, got) {
			t.Errorf("written again: %d bytes, %v", len(again), err)
		}
	})
}
