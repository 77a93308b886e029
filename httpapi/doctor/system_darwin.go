package doctor

import (
	"os"
	"syscall"
)

func diskAt(dir string) (disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return disk{}, err
	}
	var kind []byte
	for _, c := range s.Fstypename {
		if c == 0 {
			break
		}
		kind = append(kind, byte(c))
	}
	return disk{free: s.Bavail * uint64(s.Bsize), total: s.Blocks * uint64(s.Bsize), kind: string(kind)}, nil
}

func syncData(f *os.File) error { return f.Sync() }
