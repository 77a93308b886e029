package audit

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func line1(t *testing.T, r *Record) string {
	t.Helper()
	b, err := r.AppendLine(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestALineHasItsFieldsInOrder(t *testing.T) {
	r := Record{
		Time:   time.Date(2026, 11, 21, 8, 45, 0, 120_000_000, time.FixedZone("", 3600)),
		Client: "127.0.0.1:50000", Forwarded: "192.0.2.1", User: "eve", By: Basic, Certificate: "box",
		Method: "PUT", Path: "/v2/keys/a", Kind: "key", Name: "/a",
		Parameters: &Parameters{
			Dir: true, Recursive: true, TTL: new(uint64(0)), PrevExist: new(false), PrevIndex: 4, PrevValued: true,
			Refresh: true, Quorum: true, Wait: true, Stream: true, WaitIndex: 5,
		},
		Operations: []Operation{{Action: "set", Key: "/b", Parameters: &Parameters{Dir: true}}, {Action: "delete", Key: "/c"}},
		Outcome:    Refused, Status: 412, Code: 105, Index: 7, Duration: 1500 * time.Microsecond,
	}
	want := `{"time":"2026-11-21T07:45:00.12Z","client":"127.0.0.1:50000","forwarded":"192.0.2.1","user":"eve","by":"basic",` +
		`"certificate":"box","method":"PUT","path":"/v2/keys/a","kind":"key","name":"/a",` +
		`"parameters":{"dir":true,"recursive":true,"ttl":0,"prevExist":false,"prevIndex":4,"prevValueGiven":true,` +
		`"refresh":true,"quorum":true,"wait":true,"stream":true,"waitIndex":5},` +
		`"operations":[{"action":"set","key":"/b","parameters":{"dir":true}},{"action":"delete","key":"/c"}],` +
		`"outcome":"refused","status":412,"code":105,"index":7,"duration_us":1500}` + "\n"
	if got := line1(t, &r); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatThereIsNotToTellIsLeftOut(t *testing.T) {
	r := Record{Client: "@", By: None, Method: "DELETE", Path: "/v2/keys/a", Outcome: Unknown}
	want := `{"time":"0001-01-01T00:00:00Z","client":"@","user":"","by":"none","method":"DELETE","path":"/v2/keys/a","outcome":"unknown","duration_us":0}` + "\n"
	if got := line1(t, &r); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLongTextsAreCutOffWithAMark(t *testing.T) {
	long := strings.Repeat("é", 100_000)
	r := Record{Client: long, Forwarded: long, User: long, Certificate: long, Method: long, Path: long, Name: long, Operations: []Operation{{Key: long}}}
	var got line
	text := line1(t, &r)
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		most int
	}{
		{got.Client, maxName}, {got.Forwarded, maxForwarded}, {got.User, maxUser}, {got.Certificate, maxUser},
		{got.Method, maxShort}, {got.Path, maxPath}, {got.Name, maxName}, {got.Operations[0].Key, maxKey},
	} {
		if want := long[:c.most] + "...(200000 bytes)"; c.text != want {
			t.Errorf("got %d bytes, want %d: ...%s", len(c.text), len(want), c.text[max(0, len(c.text)-20):])
		}
	}
	if r.Operations[0].Key != long {
		t.Error("the record itself was changed")
	}
	if got := clip("aé", 2); got != "a...(3 bytes)" {
		t.Errorf("a letter was cut in two: %q", got)
	}
	if got := clip("aé", 3); got != "aé" {
		t.Errorf("got %q", got)
	}
}

// Whatever a record holds, its line is one line of JSON, bounded in length.
func FuzzALineIsOneLineOfJSON(f *testing.F) {
	f.Add("root", "/a", "/v2/keys/a", "127.0.0.1:1", "PUT", "192.0.2.1")
	f.Add("\n\r\u2028\x00", "/\xff\xfe", "/v2/keys/%0A", "@", "\"", "<>&\\")
	f.Add(strings.Repeat("\x80", 2000), strings.Repeat("\x01", 5000), strings.Repeat("\u2028", 5000), "", "", "")
	f.Fuzz(func(t *testing.T, user, name, path, client, method, forwarded string) {
		r := Record{User: user, Name: name, Path: path, Client: client, Method: method, Forwarded: forwarded, Kind: "key", Outcome: Done}
		b, err := r.AppendLine([]byte("before\n"))
		if err != nil {
			t.Fatal(err)
		}
		text, ok := bytes.CutPrefix(b, []byte("before\n"))
		var got line
		if err := json.Unmarshal(text, &got); err != nil || !ok {
			t.Fatalf("%q: %v", text, err)
		}
		if bytes.IndexByte(text, '\n') != len(text)-1 || bytes.IndexByte(text, '\r') >= 0 || !utf8.Valid(text) || len(text) > 128<<10 {
			t.Fatalf("not one line: %q", text)
		}
		if utf8.ValidString(user) && len(user) <= maxUser && got.User != user {
			t.Fatalf("user: got %q, want %q", got.User, user)
		}
		if utf8.ValidString(path) && len(path) <= maxPath && got.Path != path {
			t.Fatalf("path: got %q, want %q", got.Path, path)
		}
	})
}
