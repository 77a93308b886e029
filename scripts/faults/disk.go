package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A smallDisk is a file system in memory, mounted on a directory.
type smallDisk struct{ dir string }

// mountSmall mounts a file system of so many bytes on dir.
func mountSmall(dir string, size int) (*smallDisk, error) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		return nil, fmt.Errorf("mount a small tmpfs: %w", err)
	}
	return &smallDisk{dir}, nil
}

func (d *smallDisk) unmount() error {
	if err := syscall.Unmount(d.dir, 0); err != nil {
		return fmt.Errorf("unmount %s: %w", d.dir, err)
	}
	return nil
}

// keepFull takes all room there is, and all that comes free, until ctx is
// done. Then it gives everything back.
func (d *smallDisk) keepFull(ctx context.Context) (err error) {
	f, err := os.OpenFile(filepath.Join(d.dir, "filler"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	for ctx.Err() == nil {
		if err := fill(f); err != nil {
			return err
		}
		pause(ctx, time.Millisecond)
	}
	return nil
}

// fill writes to f until there is no room, in pieces and then to the last byte.
func fill(f *os.File) error {
	for _, size := range []int{1 << 20, 4 << 10, 1} {
		piece := make([]byte, size)
		for {
			_, err := f.Write(piece)
			if errors.Is(err, syscall.ENOSPC) {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
