package main

import (
	"os"
	"os/exec"
	"testing"
)

func TestNumbersAreReadFromAStatus(t *testing.T) {
	status := []byte("Name:\tbench\nVmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t9\n")
	for name, want := range map[string]int64{"VmRSS": 1024, "VmHWM": 2048, "voluntary_ctxt_switches": 7} {
		if got, err := statusField(status, name); got != want || err != nil {
			t.Errorf("%s is %d, %v; want %d", name, got, err, want)
		}
	}
	if _, err := statusField(status, "Threads"); err == nil {
		t.Error("a field that is not there has a number")
	}
}

// A process that waits is woken; one that has ended is an error or has none.
func TestWakeupsOfAProcessGrow(t *testing.T) {
	before, err := wakeupsOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for range 20 { // a thread waits for each of them to end
		if err := exec.Command("true").Run(); err != nil {
			t.Fatal(err)
		}
	}
	after, err := wakeupsOf(os.Getpid())
	if err != nil || after <= before {
		t.Errorf("%v wake-ups, then %v, %v", before, after, err)
	}
}

func TestTheMountThatCoversADirectoryIsItsFileSystem(t *testing.T) {
	const mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/x xfs rw 0 0\n/dev/c /tmp/x btrfs rw 0 0\n"
	for dir, want := range map[string]string{"/": "ext4", "/home": "ext4", "/tmp": "tmpfs", "/tmp/y": "tmpfs", "/tmp/x/z": "btrfs", "/tmpfile": "ext4"} {
		if got := fileSystemIn(mounts, dir); got != want {
			t.Errorf("%s is on %s, want %s", dir, got, want)
		}
	}
	if got := fileSystemIn("", "/"); got != "unknown" {
		t.Errorf("without mounts / is on %s", got)
	}
}
