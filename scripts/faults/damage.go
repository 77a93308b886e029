package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// A damage is something done to one file of a data directory.
type damage struct {
	file string // below the data directory
	size int    // bytes in use
	cut  int    // bytes to be cut off; if 0 one is flipped
	at   int    // the byte to be flipped
	bit  byte   // and the bit of it
}

func (d damage) String() string {
	if d.cut > 0 {
		return fmt.Sprintf("%s torn: %d of %d bytes cut off", d.file, d.cut, d.size)
	}
	return fmt.Sprintf("%s flipped: byte %d of %d by %#02x", d.file, d.at, d.size, d.bit)
}

// apply damages the file in the data directory dir.
func (d damage) apply(dir string) error {
	name := filepath.Join(dir, d.file)
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if d.cut > 0 {
		content = content[:d.size-d.cut]
	} else {
		content[d.at] ^= d.bit
	}
	return os.WriteFile(name, content, 0o600)
}

// damages are all the ways to damage each file of a data directory: torn tails
// and flipped bytes. Where a file ends in zeros set aside for later, its end
// is the last byte that was written.
func damages(dir string, r *rand.Rand) ([]damage, error) {
	var all []damage
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		all = append(all, damagesOf(file, len(bytes.TrimRight(content, "\x00")), r)...)
		return nil
	})
	return all, err
}

// damagesOf are the damages of a file with size bytes in use.
func damagesOf(file string, size int, r *rand.Rand) []damage {
	if size == 0 {
		return nil
	}
	var all []damage
	for _, n := range []int{1, 1 + r.IntN(min(size, 20)), 1 + r.IntN(size)} {
		all = append(all, damage{file: file, size: size, cut: n})
	}
	for _, at := range []int{0, size / 2, size - 1, r.IntN(size)} {
		all = append(all, damage{file: file, size: size, at: at, bit: 1 << r.IntN(8)})
	}
	return all
}
