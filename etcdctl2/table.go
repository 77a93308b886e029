package main

import (
	"context"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"keytree/httpapi/client"
	"keytree/raftlog/member"
)

// asTable is the format that etcdctl does not have.
const asTable = "table"

// wantsTable reports whether the user wants tables.
func (c *call) wantsTable() bool { return c.String("output") == asTable }

// inTable is a line for a key, or for each in a directory.
func inTable(r *client.Response) (string, error) {
	var rows [][]string
	if r.Node.Dir {
		rows = keyRows(nil, r.Node.Nodes)
	} else {
		rows = keyRows(nil, []*client.Node{r.Node})
	}
	return drawTable([]string{"KEY", "VALUE", "TTL", "CREATED", "MODIFIED"}, rows), nil
}

// keyRows appends a line for each of nodes and what is listed beneath.
func keyRows(rows [][]string, nodes []*client.Node) [][]string {
	for _, n := range nodes {
		key, ttl := n.Key, ""
		if n.Dir {
			key += "/"
		}
		if n.Expiration != nil {
			ttl = strconv.FormatInt(n.TTL, 10)
		}
		rows = append(rows, []string{key, n.Value, ttl, strconv.FormatUint(n.CreatedIndex, 10), strconv.FormatUint(n.ModifiedIndex, 10)})
		rows = keyRows(rows, n.Nodes)
	}
	return rows
}

// membersInTable is a line for each member.
func membersInTable(members []client.Member, leader string) string {
	var rows [][]string
	for _, m := range members {
		state := "started"
		switch {
		case m.Name == "":
			state = "unstarted"
		case m.Learner:
			state = string(member.Learner)
		}
		rows = append(rows, []string{m.ID, m.Name, state, strings.Join(m.PeerURLs, ","), strings.Join(m.ClientURLs, ","), strconv.FormatBool(m.ID == leader)})
	}
	return drawTable([]string{"ID", "NAME", "STATE", "PEER URLS", "CLIENT URLS", "LEADER"}, rows)
}

// tableOfUsers shows users with their roles.
func (c *call) tableOfUsers(ctx context.Context, cl *client.Client, names []string) error {
	var rows [][]string
	for _, name := range names {
		u, err := asking(ctx, c, func(ctx context.Context) (*client.User, error) { return cl.User(ctx, name) })
		if err != nil {
			return err
		}
		rows = append(rows, []string{name, strings.Join(u.Roles, ",")})
	}
	return c.sayf("%s", drawTable([]string{"USER", "ROLES"}, rows))
}

// drawTable is rows below a header, in a frame.
func drawTable(header []string, rows [][]string) string {
	lines := append([][]string{header}, rows...)
	widths := make([]int, len(header))
	for i, line := range lines {
		cells := make([]string, len(header))
		for j := range cells {
			cells[j] = shortened(onOneLine(line[j]))
			widths[j] = max(widths[j], columns(cells[j]))
		}
		lines[i] = cells
	}
	frame := "+"
	for _, width := range widths {
		frame += strings.Repeat("-", width+2) + "+"
	}
	var b strings.Builder
	b.WriteString(frame + "\n")
	for i, line := range lines {
		b.WriteByte('|')
		for j, cell := range line {
			b.WriteString(" " + cell + strings.Repeat(" ", widths[j]-columns(cell)) + " |")
		}
		b.WriteByte('\n')
		if i == 0 {
			b.WriteString(frame + "\n")
		}
	}
	if len(rows) > 0 {
		b.WriteString(frame + "\n")
	}
	return b.String()
}

// widest is how many bytes of a cell are shown: every line is as long as the
// longest.
const widest = 200

func shortened(cell string) string {
	if len(cell) <= widest {
		return cell
	}
	end := widest
	for !utf8.RuneStart(cell[end]) {
		end--
	}
	return cell[:end] + "..."
}

// onOneLine is text with what a terminal would not show, or would act on,
// written as in Go.
func onOneLine(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) && utf8.ValidString(text) {
		return text
	}
	quoted := strconv.Quote(text)
	return quoted[1 : len(quoted)-1]
}

// wide are runes that take two columns of a terminal.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1}, // Hangul
		{Lo: 0x2e80, Hi: 0x303e, Stride: 1}, // radicals, CJK punctuation
		{Lo: 0x3041, Hi: 0xa4cf, Stride: 1}, // kana, ideographs, Yi
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1}, // Hangul syllables
		{Lo: 0xf900, Hi: 0xfaff, Stride: 1}, // compatibility ideographs
		{Lo: 0xfe30, Hi: 0xfe6f, Stride: 1},
		{Lo: 0xff00, Hi: 0xff60, Stride: 1}, // full width
		{Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1f300, Hi: 0x1f64f, Stride: 1}, // pictures
		{Lo: 0x1f900, Hi: 0x1f9ff, Stride: 1},
		{Lo: 0x20000, Hi: 0x3fffd, Stride: 1}, // more ideographs
	},
}

// columns are as many as text takes on a terminal.
func columns(text string) (n int) {
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case unicode.Is(wide, r):
			n += 2
		default:
			n++
		}
	}
	return n
}
