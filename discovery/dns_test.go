package discovery

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// The types of DNS records the responder below knows.
const (
	typeA   = 1
	typeSRV = 33
)

// record is one answer of the responder: its type and its data.
type record struct {
	kind uint16
	data []byte
}

func srvRecord(target string, port uint16) record {
	data := binary.BigEndian.AppendUint16([]byte{0, 10, 0, 5}, port) // priority 10, weight 5
	return record{typeSRV, appendName(data, target)}
}

func aRecord(a, b, c, d byte) record { return record{typeA, []byte{a, b, c, d}} }

// appendName appends a domain name as it travels: labels, each after its
// length, and an empty one.
func appendName(b []byte, name string) []byte {
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		b = append(append(b, byte(len(label))), label...)
	}
	return append(b, 0)
}

// startDNS runs a name server of the given records on UDP that ends with the
// test, and returns a resolver that asks it alone.
func startDNS(t *testing.T, records map[string][]record) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		query := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(query)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.WriteTo(respond(records, query[:n]), from) // the resolver asks again
		}
	})
	t.Cleanup(func() {
		conn.Close()
		serving.Wait()
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// respond answers the one question in query. The header is: an id, flags, and
// four counts: questions, answers, two kinds of further records.
func respond(records map[string][]record, query []byte) []byte {
	end := 12
	var labels []string
	for query[end] != 0 {
		n := int(query[end])
		labels = append(labels, string(query[end+1:end+1+n]))
		end += 1 + n
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	end += 5 // the last label, type and class
	known, found := records[strings.ToLower(strings.Join(labels, "."))]
	var answers []byte
	count := 0
	for _, r := range known {
		if r.kind != kind {
			continue
		}
		count++
		answers = append(answers, 0xc0, 12) // the name in the question
		answers = binary.BigEndian.AppendUint16(answers, kind)
		answers = append(answers, 0, 1, 0, 0, 0, 60) // class IN, a minute to live
		answers = binary.BigEndian.AppendUint16(answers, uint16(len(r.data)))
		answers = append(answers, r.data...)
	}
	flags := uint16(0x8580) // an answer, authoritative; recursion desired and available
	if !found {
		flags |= 3 // no such name
	}
	out := append([]byte{}, query[:2]...)
	for _, word := range []uint16{flags, 1, uint16(count), 0, 0} {
		out = binary.BigEndian.AppendUint16(out, word)
	}
	return append(append(out, query[12:end]...), answers...)
}

func TestMembersAreFoundByARealResolver(t *testing.T) {
	t.Parallel()
	r := startDNS(t, map[string][]record{
		"_etcd-server-ssl._tcp.keytree.test":  {srvRecord("m3.keytree.test.", 2390)},
		"_etcd-server._tcp.keytree.test":      {srvRecord("m2.keytree.test.", 2380), srvRecord("m1.keytree.test.", 2380), srvRecord("gone.keytree.test.", 2380)},
		"_etcd-server-blue._tcp.keytree.test": {srvRecord("m1.keytree.test.", 2480)},
		"m1.keytree.test":                     {aRecord(10, 9, 8, 1)},
		"m2.keytree.test":                     {aRecord(10, 9, 8, 2), aRecord(10, 9, 7, 2)},
		"m3.keytree.test":                     {aRecord(10, 9, 8, 3)},
	})
	c := SRVConfig{Domain: "keytree.test", Name: "infra", PeerURLs: []string{"http://10.9.7.2:2380"}, Resolver: r}
	got, err := FromDNS(t.Context(), c)
	if want := "0=https://m3.keytree.test:2390,1=http://m1.keytree.test:2380,infra=http://m2.keytree.test:2380"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	c.ServiceName, c.PeerURLs = "blue", []string{"http://m1.keytree.test:2480"}
	got, err = FromDNS(t.Context(), c)
	if want := "infra=http://m1.keytree.test:2480"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	c.Domain = "elsewhere.test"
	if got, err := FromDNS(t.Context(), c); !errors.Is(err, ErrNoRecords) {
		t.Errorf("got %q, %v", got, err)
	}
}
