package httpapi

import (
	"slices"
	"unicode/utf8"
)

// text is what a JSON string is made of.
type text interface{ ~string | ~[]byte }

// appendString appends s as a JSON string the way Go 1.19 wrote them: safe
// inside HTML, \u0008 and \u000c without short forms, and every byte that is
// not UTF-8 as \ufffd.
func appendString[T text](b []byte, s T) []byte {
	b = append(b, '"')
	b = appendEscaped(b, s)
	return append(b, '"')
}

// appendEscaped appends s as it stands between the quotes of a JSON string.
// A text that is cut at an ASCII character can be appended part by part.
//
// Words of eight bytes that are plain are copied in one go with their like
// (BenchmarkEscape).
func appendEscaped[T text](b []byte, s T) []byte {
	i := 0
	for {
		from := i
		i = skipWords(s, i)
		if plainEnd(s, i) {
			return append(b, s[from:]...)
		}
		b = append(b, s[from:i]...)
		for i+8 <= len(s) && odd(word(s[i:i+8])) != 0 { // seldom comes alone
			b, i = appendChars(b, s, i, i+8)
		}
		if i+8 > len(s) {
			b, _ = appendChars(b, s, i, len(s))
			return b
		}
	}
}

// plainEnd reports whether what is left of s from i on is less than a word,
// and plain. It may fail to see that, if something before i is not plain.
func plainEnd[T text](s T, i int) bool {
	switch n := len(s); {
	case i+8 <= n:
		return false
	case n >= 8:
		return odd(word(s[n-8:])) == 0
	case n >= 4:
		return odd(uint64(half(s[:4]))|uint64(half(s[n-4:]))<<32) == 0
	default:
		return n == 0
	}
}

func half[T text](e T) uint32 {
	return uint32(e[0]) | uint32(e[1])<<8 | uint32(e[2])<<16 | uint32(e[3])<<24
}

// skipWords is where the first word of s from i on begins that is not plain
// or not whole.
func skipWords[T text](s T, i int) int {
	for ; i+32 <= len(s); i += 32 {
		e := s[i : i+32]
		if odd(word(e[:8]))|odd(word(e[8:16]))|odd(word(e[16:24]))|odd(word(e[24:])) != 0 {
			break
		}
	}
	for i+8 <= len(s) && odd(word(s[i:i+8])) == 0 {
		i += 8
	}
	return i
}

func word[T text](e T) uint64 {
	return uint64(e[0]) | uint64(e[1])<<8 | uint64(e[2])<<16 | uint64(e[3])<<24 |
		uint64(e[4])<<32 | uint64(e[5])<<40 | uint64(e[6])<<48 | uint64(e[7])<<56
}

// odd is zero if all eight bytes are plain: printable ASCII but for the five
// characters that JSON or HTML give a meaning, and for ^ | ~, which come free
// of charge with three of them.
func odd(word uint64) uint64 {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	// Each is zero in the bytes that hold one of its characters; the bits that
	// these differ in are left out.
	quote := word&^(ones*('"'^'&')) ^ ones*('"'&'&')
	angle := word&^(ones*('<'^'>'|'<'^'\\')) ^ ones*('<'&'>'&'\\')
	// A high bit is set for a byte that is zero, below a blank or beyond
	// ASCII. A borrow may set others, but only if one was set rightly.
	return (word | (word - ones*' ') | (quote - ones) | (angle - ones)) & highs
}

// longest is how much one byte of a text can become.
const longest = len(`\u0000`)

// appendChars appends the characters of s that begin between i and end, which
// are a few, and returns where the next one begins.
func appendChars[T text](b []byte, s T, i, end int) ([]byte, int) {
	b = slices.Grow(b, (end-i)*longest+utf8.UTFMax)
	to := b[len(b):cap(b)]
	n := 0
	for i < end {
		c := s[i]
		switch as := written[c]; {
		case as == 0:
			to[n] = c
			n++
			i++
		case as == beyond:
			size, known := runeSize(s, i)
			if !known {
				n += copy(to[n:], rareRune(s, i, size))
			} else {
				n += copy(to[n:], s[i:i+size])
			}
			i += size
		case as == 'u':
			const hex = "0123456789abcdef"
			n += copy(to[n:], `\u00`)
			to[n], to[n+1] = hex[c>>4], hex[c&15]
			n += 2
			i++
		default:
			to[n], to[n+1] = '\\', as
			n += 2
			i++
		}
	}
	return b[:len(b)+n], i
}

// written tells of each byte what follows a backslash in its place: 0 if it
// stands for itself, 'u' for its number; beyond if it is not ASCII.
var written = func() (as [256]byte) {
	for c := range as {
		switch {
		case c >= utf8.RuneSelf:
			as[c] = beyond
		case c < ' ' || c == '<' || c == '>' || c == '&':
			as[c] = 'u'
		}
	}
	as['"'], as['\\'], as['\n'], as['\r'], as['\t'] = '"', '\\', 'n', 'r', 't'
	return as
}()

const beyond = 0xff

// runeSize is how long the character is that begins at i, which is not ASCII.
// It is not known to stand for itself if it is no UTF-8 or has to be named.
func runeSize[T text](s T, i int) (size int, known bool) {
	if c := s[i]; 0xc2 <= c && c <= 0xdf && i+1 < len(s) && s[i+1]&0xc0 == 0x80 {
		return 2, true
	}
	r, size := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
	return size, size > 1 && r != '\u2028' && r != '\u2029'
}

// rareRune is how the character of that size at i is written, which does not
// stand for itself.
func rareRune[T text](s T, i, size int) string {
	switch {
	case size == 1:
		return `\ufffd`
	case s[i+2] == 0xa8:
		return `\u2028`
	}
	return `\u2029`
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
