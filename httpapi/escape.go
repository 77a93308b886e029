package httpapi

import (
	"encoding/binary"
	"unicode/utf8"
)

// text is what a JSON string is made of.
type text interface{ ~string | ~[]byte }

// appendString appends s as a JSON string the way Go 1.19 wrote them: safe
// inside HTML, \u0008 and \u000c without short forms, and every byte that is
// not UTF-8 as \ufffd.
//
// It looks at eight bytes at a time, which makes plain text three times
// cheaper than one at a time (BenchmarkEscape).
func appendString[T text](b []byte, s T) []byte {
	b = append(b, '"')
	i := 0
	for i+8 <= len(s) {
		e := s[i : i+8]
		eight := uint64(e[0]) | uint64(e[1])<<8 | uint64(e[2])<<16 | uint64(e[3])<<24 |
			uint64(e[4])<<32 | uint64(e[5])<<40 | uint64(e[6])<<48 | uint64(e[7])<<56
		if plain(eight) {
			b = binary.LittleEndian.AppendUint64(b, eight)
			i += 8
			continue
		}
		b, i = appendChars(b, s, i, i+8)
	}
	b, _ = appendChars(b, s, i, len(s))
	return append(b, '"')
}

// appendChars appends the characters of s that begin between i and end, and
// returns where the next one begins.
func appendChars[T text](b []byte, s T, i, end int) ([]byte, int) {
	for i < end {
		switch c := s[i]; {
		case c == '"', c == '\\':
			b = append(b, '\\', c)
			i++
		case c < ' ', c == '<', c == '>', c == '&':
			b = appendControl(b, c)
			i++
		case c >= utf8.RuneSelf:
			var n int
			b, n = appendRune(b, string(s[i:min(len(s), i+utf8.UTFMax)]))
			i += n
		default:
			b = append(b, c)
			i++
		}
	}
	return b, i
}

// plain reports whether all eight bytes stand for themselves: printable ASCII
// but for the five characters that JSON or HTML give a meaning.
func plain(eight uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	// Each is zero in the bytes that hold one of its characters; the
	// characters of a pair differ in one bit, which is left out.
	quote := eight&^(ones*('"'^'&')) ^ ones*('"'&'&')
	angle := eight&^(ones*('<'^'>')) ^ ones*('<'&'>')
	slash := eight ^ ones*'\\'
	// A high bit is set for a byte that is zero, below a blank or beyond
	// ASCII. A borrow may set others, but only next to one set rightly.
	odd := eight | (eight-ones*' ')&^eight | (quote-ones)&^quote | (angle-ones)&^angle | (slash-ones)&^slash
	return odd&highs == 0
}

// appendControl appends a character that has to be named.
func appendControl(b []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// appendRune appends the first character of s, which is not ASCII.
func appendRune(b []byte, s string) ([]byte, int) {
	r, n := utf8.DecodeRuneInString(s)
	switch {
	case r == utf8.RuneError && n == 1:
		return append(b, `\ufffd`...), n
	case r == '\u2028':
		return append(b, `\u2028`...), n
	case r == '\u2029':
		return append(b, `\u2029`...), n
	}
	return append(b, s[:n]...), n
}

// appendStrings appends list as a JSON array.
func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}
