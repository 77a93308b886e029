package main

import (
	"encoding/json"
	"slices"
	"strings"

	"keytree/scripts/process"
)

// A departure is a difference from etcd that Keytree makes on purpose, under
// the name it has in docs/compatibility.md.
type departure struct {
	name     string
	reason   string
	explains func(exchange, difference) bool
}

// departures are all the differences that are expected. Any other one fails
// the run.
func departures() []departure {
	return []departure{
		{"listing-order", "listings are always sorted; etcd's order is random", func(_ exchange, d difference) bool {
			return d.what == "order"
		}},
		{"stream-once", "a stream gets the removal of exactly the watched path once; etcd sends it twice", func(x exchange, d difference) bool {
			return d.what == "events" && isStream(x.request) && sameEvents(onceOnly(x, lines(x.etcd)), lines(x.keytree))
		}},
		{"stream-replays", "a stream with an old waitIndex replays all events since and follows; etcd sends one and falls silent", func(x exchange, d difference) bool {
			return d.what == "events" && isStream(x.request) && query(x.request, "waitIndex") != "" && beginsWith(lines(x.keytree), lines(x.etcd))
		}},
		{"quorum-raft-index", "a quorum read writes nothing to the log, so X-Raft-Index stands still", func(_ exchange, d difference) bool {
			return d.what == whatQuorumGrowth && d.keytree == "0"
		}},
		{"sweep-raft-index", "a sweep that finds nothing due writes nothing to the log, so X-Raft-Index stands still", func(_ exchange, d difference) bool {
			return d.what == whatSweepGrowth && d.keytree == "0"
		}},
		{"version-field", `/version has one more field, "keytree"`, func(x exchange, d difference) bool {
			return isPath(x.request, "/version") && d.what == "body" && withoutField(d.keytree, `"keytree"`) == d.etcd
		}},
		{"key-limits", "a key longer than 16384 bytes or deeper than 512 elements is refused with 400 and code 209", func(x exchange, _ difference) bool {
			k := target(x.request)
			large := len(k) > 16384 || strings.Count(k, "/") > 512
			return large && x.keytree.Answer != nil && x.keytree.Status == 400 && strings.HasPrefix(string(x.keytree.Body), `{"errorCode":209,`)
		}},
		{"cors-default", "CORS headers are off unless asked for; etcd 3.4 sends them to everybody", func(x exchange, d difference) bool {
			return strings.HasPrefix(d.what, "header Access-Control-") && d.keytree == "(none)"
		}},
		{"stats-store-gets", "the counters of gets count what clients read, no internal look-ups", func(x exchange, d difference) bool {
			return isPath(x.request, "/v2/stats/store") && d.what == "body" && withoutGets(d.etcd) == withoutGets(d.keytree)
		}},
		{"stats-store-auth", "a change of a user or role is a compare and swap, so that none is lost, and counts as one; with etcd it is an update", func(x exchange, d difference) bool {
			return x.request.Target == statsAfterSecurity && d.what == "body" && withSwapsAsUpdates(d.etcd) == withSwapsAsUpdates(d.keytree)
		}},
		{"auth-empty-pattern", "an empty pattern in a role covers nothing; etcd breaks the connection of whoever has it", func(x exchange, d difference) bool {
			return offers(x.request, emptyPattern) && d.what == "connection" && d.etcd == "closed without an answer" && x.keytree.Answer != nil
		}},
		{"auth-empty-name", "an empty user name is nobody's and an empty role name no role's; etcd breaks the connection", func(x exchange, d difference) bool {
			return (offers(x.request, "") || offers(x.request, emptyRole)) && d.what == "connection" && d.etcd == "closed without an answer" && d.keytree == "answered 401"
		}},
		{"auth-name-as-path", "names of users and roles are taken as they are; etcd takes one with dots or a slash for a path, and finds another there", func(x exchange, _ difference) bool {
			return takenForPath(x.request) && x.keytree.Answer != nil && (x.keytree.Status == 401 || x.keytree.Status == 404)
		}},
		{"debug-vars", "/debug/vars is an implementation's own", func(x exchange, d difference) bool {
			return isPath(x.request, "/debug/vars") && (d.what == "body" || d.what == "framing")
		}},
		{"metrics", "/metrics lists an implementation's own figures too", func(x exchange, d difference) bool {
			return isPath(x.request, "/metrics") && (d.what == "body" || d.what == "framing")
		}},
	}
}

// explain returns the name of the departure a difference falls under, "" if
// there is none.
func explain(table []departure, x exchange, d difference) string {
	for _, p := range table {
		if p.explains(x, d) {
			return p.name
		}
	}
	return ""
}

func isPath(q process.Request, path string) bool {
	p, _, _ := strings.Cut(q.Target, "?")
	return p == path
}

func isStream(q process.Request) bool { return truth(q, "wait") && truth(q, "stream") }

// onceOnly drops the second of two equal lines that tell of the removal of
// the watched key.
func onceOnly(x exchange, events []string) []string {
	var kept []string
	for i, e := range events {
		removal := strings.HasPrefix(e, `{"action":"delete"`) || strings.HasPrefix(e, `{"action":"expire"`) ||
			strings.HasPrefix(e, `{"action":"compareAndDelete"`)
		if i > 0 && e == events[i-1] && removal && eventKey(e) == target(x.request) {
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

// eventKey returns the key an event is about.
func eventKey(event string) string {
	var e struct{ Node struct{ Key string } }
	if json.Unmarshal([]byte(event), &e) != nil {
		return ""
	}
	return e.Node.Key
}

func sameEvents(a, b []string) bool {
	return slices.EqualFunc(a, b, func(a, b string) bool { return canon(a, false).text == canon(b, false).text })
}

func beginsWith(all, start []string) bool {
	return len(start) > 0 && len(all) > len(start) && sameEvents(all[:len(start)], start)
}

// withoutField cuts a string field from the text of a flat JSON object.
func withoutField(body, name string) string {
	p := parser{s: body}
	v, err := p.value()
	if err != nil {
		return body
	}
	v.members = slices.DeleteFunc(v.members, func(m member) bool { return m.name == name })
	var b strings.Builder
	v.write(&b, &form{})
	return b.String() + p.s[p.at:]
}

func withoutGets(body string) string {
	return withoutField(withoutField(body, `"getsSuccess"`), `"getsFail"`)
}

// withSwapsAsUpdates is the body of /v2/stats/store without the counters of
// gets, and with swaps counted as updates.
func withSwapsAsUpdates(body string) string {
	var counts map[string]uint64
	if json.Unmarshal([]byte(body), &counts) != nil {
		return body
	}
	for _, end := range []string{"Success", "Fail"} {
		counts["update"+end] += counts["compareAndSwap"+end]
		delete(counts, "compareAndSwap"+end)
		delete(counts, "gets"+end)
	}
	b, err := json.Marshal(counts) // in the order of names
	if err != nil {
		return body
	}
	return string(b)
}
