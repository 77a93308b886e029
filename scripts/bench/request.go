package main

import (
	"bytes"
	"fmt"
	"strings"
)

// Places in the target of a request that change from one to the next.
const (
	keyPlace   = "KKKK/KKK"             // a key's number, 1,000 keys in a directory
	flatPlace  = "NNNNNNNN"             // a key's number, all in one directory
	indexPlace = "IIIIIIIIIIIIIIIIIIII" // a modifiedIndex
)

const maxKeys = 10_000_000 // what fits into keyPlace

// request is the bytes of an HTTP request, with the places in it that change.
type request struct {
	raw   []byte
	key   []byte // within raw, like flat, value and index
	flat  []byte
	value []byte
	index []byte
}

// newRequest builds a request for target, which may contain keyPlace or
// flatPlace, and indexPlace. A valueSize above 0 gives it a form body with a value.
func newRequest(method, host, target string, valueSize int) *request {
	return newRequestWith("", method, host, target, valueSize)
}

// newRequestWith builds a request with more header lines, each of which ends
// in a line break.
func newRequestWith(head, method, host, target string, valueSize int) *request {
	if valueSize > 0 {
		head += fmt.Sprintf("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n",
			len("value=")+valueSize)
	}
	raw := fmt.Sprintf("%s /v2/keys%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", method, target, host, head)
	if valueSize > 0 {
		raw += "value=" + strings.Repeat("v", valueSize)
	}
	r := &request{raw: []byte(raw)}
	r.key = r.place(keyPlace)
	r.flat = r.place(flatPlace)
	r.index = r.place(indexPlace)
	r.value = r.raw[len(r.raw)-valueSize:]
	return r
}

func (r *request) place(mark string) []byte {
	at := bytes.Index(r.raw, []byte(mark))
	if at < 0 {
		return nil
	}
	return r.raw[at : at+len(mark)]
}

func (r *request) setKey(n int) {
	if r.flat != nil {
		putDigits(r.flat, uint64(n))
		return
	}
	putDigits(r.key[:4], uint64(n/1000))
	putDigits(r.key[5:], uint64(n%1000))
}

func (r *request) setIndex(n uint64) {
	putDigits(r.index, n)
}

// setValue fills the value with letters that do not compress.
func (r *request) setValue(rnd *random) {
	v := r.value
	for len(v) > 0 {
		bits := rnd.next()
		for i := range v[:min(10, len(v))] {
			v[i] = alphabet[bits&63]
			bits >>= 6
		}
		v = v[min(10, len(v)):]
	}
}

// alphabet has 64 letters that mean themselves in a form.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// putDigits writes n with leading zeros.
func putDigits(b []byte, n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
}

// random is a splitmix64 sequence: the same seed sends the same load to both
// servers.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number from 0 to n-1.
func (r *random) below(n int) int {
	return int(r.next() >> 32 * uint64(n) >> 32)
}
