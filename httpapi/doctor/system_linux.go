package doctor

import (
	"os"
	"syscall"
)

// kinds are the file systems worth a word, by the number Linux has for them.
func kindOf(number int64) string {
	switch uint32(number) {
	case 0x6969:
		return "nfs"
	case 0x517b, 0xfe534d42:
		return "smbfs"
	case 0xff534d42:
		return "cifs"
	case 0x01021997:
		return "9p"
	case 0x65735546:
		return "fuse"
	case 0x794c7630:
		return "overlay"
	case 0x01021994:
		return "tmpfs"
	case 0x858458f6:
		return "ramfs"
	}
	return ""
}

func diskAt(dir string) (disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return disk{}, err
	}
	return disk{free: s.Bavail * uint64(s.Bsize), total: s.Blocks * uint64(s.Bsize), kind: kindOf(int64(s.Type))}, nil
}

// syncData makes what was written to f durable, and not when it was.
func syncData(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
