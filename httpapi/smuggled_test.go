package httpapi

import "strings"

// smuggled are requests in which two readers of HTTP may find different ends,
// and others that have surprised some.
func smuggled() []string {
	const get = "GET /v2/keys/b HTTP/1.1\r\nHost: x\r\n\r\n"
	const put = "PUT /v2/keys/smuggled HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\n\r\nvalue=1"
	const form = "PUT /v2/keys/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	all := []string{
		get, put + get, get + "GET /v2/keys?wait=true HTTP/1.1\r\nHost: x\r\n\r\n" + put,
		"GET /v2/keys?wait=true&stream=true&recursive=true HTTP/1.1\r\nHost: x\r\n\r\n" + get,
		"GET /v2/keys?wait=true&waitIndex=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + get,
		"HEAD /v2/keys/b HTTP/1.1\r\nHost: x\r\n\r\n" + get, "POST /v2/keys/q HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n\r\n" + get,
		"GET /v2/keys/b HTTP/1.0\r\n\r\n" + get, "GET /v2/keys/b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get,
		"GET http://y/v2/keys HTTP/1.1\r\nHost: x\r\n\r\n" + get, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n" + get, "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n" + get,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", get + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET /v2/keys/b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n" + get,
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "GET /v2/keys/b HTTP/1.1\nHost: x\n\n" + get, "get /v2/keys HTTP/1.1\r\nHost: x\r\n\r\n",
		"DELETE /v2/keys/a?recursive=true HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n\r\n" + get,
		"GET /v2/keys/%2e%2e/x HTTP/1.1\r\nHost: x\r\n\r\n" + get, "GET /v2/keys?%zz HTTP/1.1\r\nHost: x\r\n\r\n" + get, "GET /v2/keys? HTTP/1.1\r\nHost: x\r\n\r\n" + get,
		"PUT /v2/auth/users/root HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n{\"user\":\"root\",\"password\":\"pass\"}" + get,
		"GET /v2/members HTTP/1.1\r\nHost: x\r\nAuthorization: Basic cm9vdDpwYXNz\r\n\r\n" + get,
	}
	for _, lines := range []string{
		"Content-Length: 7\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 7", "Content-Length: 7\r\nContent-Length: 0",
		"Content-Length: 0\r\nContent-Length: 7", "Content-Length: 7, 7", "Content-Length: +7", "Content-Length: 07", "Content-Length: 7\t", "Content-Length:\v7",
		"Content-Length : 7", "Content-Length\t: 7", "Content-Length\x00: 7", "Content-Length: 7\x00", "Content-Length: 7\r", "Content-Length: 7\rX: y", " Content-Length: 7",
		"X: y\r\n Content-Length: 7", "X: y\r\n\tContent-Length: 7", "Content-Length:\r\n 7", "Content_Length: 7", "Content-Length: 0x7", "Content-Length: -7", "Content-Length: 7.0",
		"Content-Length: 18446744073709551623", "Content-Length: 00000000000000000007", "Transfer-Encoding: chunked", "Transfer-Encoding : chunked", "Transfer-Encoding: xchunked",
		"Transfer-Encoding: identity, chunked", "Transfer-Encoding: chunked, identity", "Transfer-Encoding:\tchunked", "Transfer-Encoding: \vchunked", "Transfer-Encoding: chunked\x00",
		"Transfer-Encoding:\r\n chunked", "X: y\r\n Transfer-Encoding: chunked", "X: y\nTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "transfer-encoding: CHUNKED",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "Transfer_Encoding: chunked", "TE: chunked",
		"Expect: 100-continue\r\nContent-Length: 7", "Expect: 100-continue\r\nTransfer-Encoding: chunked", "Connection: Content-Length\r\nContent-Length: 7",
		"Connection: close\r\nContent-Length: 7", "Host: y\r\nContent-Length: 7", "X: y\r\n\r\nContent-Length: 7",
	} {
		all = append(all, form+lines+"\r\n\r\nvalue=1"+get, form+lines+"\r\n\r\n7\r\nvalue=1\r\n0\r\n\r\n"+get, get+form+lines+"\r\n\r\n0\r\n\r\n"+put+get)
	}
	for _, chunks := range []string{
		"7\r\nvalue=1\r\n0\r\n\r\n", "7;a=b\r\nvalue=1\r\n0;c\r\n\r\n", "7 \r\nvalue=1\r\n0\r\n\r\n", " 7\r\nvalue=1\r\n0\r\n\r\n", "0x7\r\nvalue=1\r\n0\r\n\r\n", "+7\r\nvalue=1\r\n0\r\n\r\n",
		"7\nvalue=1\n0\n\n", "7\rvalue=1\r\n0\r\n\r\n", "7\r\nvalue=1\r\n0\r\nX: y\r\n\r\n", "7\r\nvalue=1\r\n0\r\n X: y\r\n\r\n", "7\r\nvalue=10\r\n\r\n", "fffffffffffffffff\r\nvalue=1\r\n0\r\n\r\n",
		"7;a=\"\r\n\"\r\nvalue=1\r\n0\r\n\r\n", "7;\nvalue=1\r\n0\r\n\r\n", "00000000000000007\r\nvalue=1\r\n000\r\n\r\n", "7\r\nvalue=1\r\n0\r\n", "-7\r\nvalue=1\r\n0\r\n\r\n",
	} {
		all = append(all, form+"Transfer-Encoding: chunked\r\n\r\n"+chunks+get)
	}
	return append(all, strings.Repeat(put+get, 10))
}
