package doctor

import "testing"

func TestFewFilesAndLittleMemoryAreTold(t *testing.T) {
	for most, want := range map[uint64]State{256: Wrong, 1024: Warning, 65536: OK} {
		n := &notes{}
		judgeFiles(n, most)
		words := []string{"may be open"}
		if want != OK {
			words = append(words, "-> LimitNOFILE=65536", "-> ulimit -n 65536")
		}
		mustFind(t, n.all, want, words...)
	}
	for bytes, want := range map[int64]State{0: Unchecked, 32 << 20: Warning, 64 << 20: OK} {
		mustFind(t, examOf(Subject{MemoryBytes: bytes, MemorySource: "control group"}).limits(t.Context()), want, "memory")
	}
}

func TestTheNumberOfFilesIsThatOfThisProcess(t *testing.T) {
	if most, known := openFiles(); known && most == 0 {
		t.Error("it could not have any open")
	}
}

func TestSizesAreForPeople(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 5 << 30: "5.0 GiB", 1 << 63: "8.0 EiB"} {
		if got := size(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}
