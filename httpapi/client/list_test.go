package client_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"keytree/httpapi/client"
)

// names are the keys of nodes, directories with a slash at their end.
func names(nodes []*client.Node) (list []string) {
	for _, n := range nodes {
		if n.Dir {
			n.Key += "/"
		}
		list = append(list, n.Key)
	}
	return list
}

func TestADirectoryIsReadInPages(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		for _, key := range []string{"/d/a", "/d/b c&d", "/d/c/x", "/d/_hidden", "/e"} {
			w.mustSet(t, key, "v"+key)
		}
		p, err := w.List(t.Context(), "/d/", client.ListOptions{Limit: 2, Quorum: true})
		if err != nil || !slices.Equal(names(p.Nodes), []string{"/d/a", "/d/b c&d"}) || p.Continue == "" || p.Index != 8 {
			t.Fatalf("%+v, %v", p, err)
		}
		if n := p.Nodes[1]; n.Value != "v/d/b c&d" || n.CreatedIndex != 5 || n.ModifiedIndex != 5 {
			t.Errorf("got %+v", n)
		}
		p, err = w.List(t.Context(), "/d/", client.ListOptions{Limit: 2, KeysOnly: true, Continue: p.Continue})
		if err != nil || !slices.Equal(names(p.Nodes), []string{"/d/c/"}) || p.Continue != "" {
			t.Errorf("%+v, %v", p, err)
		}
		for _, c := range []struct {
			prefix string
			o      client.ListOptions
			want   string
		}{
			{"/", client.ListOptions{Recursive: true}, "/d/ /d/a /d/b c&d /d/c/ /d/c/x /e"},
			{"/d/b ", client.ListOptions{}, "/d/b c&d"},
			{"/d/_", client.ListOptions{KeysOnly: true}, "/d/_hidden"},
			{"/", client.ListOptions{Recursive: true, Contains: "c"}, "/d/b c&d /d/c/"},
		} {
			if p, err := w.List(t.Context(), c.prefix, c.o); err != nil || strings.Join(names(p.Nodes), " ") != c.want {
				t.Errorf("%s, %+v: %+v, %v", c.prefix, c.o, p, err)
			}
		}
	})
}

func TestAllPagesAreReadOneAfterTheOther(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var want []string
		for i := range 25 {
			want = append(want, fmt.Sprintf("/d/%02d", i))
			w.mustSet(t, want[i], "v")
		}
		var got []*client.Node
		for n, err := range w.All(t.Context(), "/d/", client.ListOptions{Limit: 10}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, n)
		}
		if !slices.Equal(names(got), want) {
			t.Errorf("got %q", names(got))
		}
		some := 0
		for range w.All(t.Context(), "/d/", client.ListOptions{Limit: 10}) {
			if some++; some == 12 {
				break
			}
		}
		if some != 12 {
			t.Errorf("%d nodes", some)
		}
	})
}

func TestAPageThatIsRefusedIsAnError(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.mustSet(t, "/key", "v")
		if _, err := w.List(t.Context(), "/none/", client.ListOptions{}); !client.HasCode(err, client.CodeKeyNotFound) {
			t.Errorf("got %v", err)
		}
		if _, err := w.List(t.Context(), "/key/", client.ListOptions{}); !client.HasCode(err, client.CodeNotADirectory) {
			t.Errorf("got %v", err)
		}
		var malformed *client.StatusError
		if _, err := w.List(t.Context(), "/", client.ListOptions{Limit: -1}); !errors.As(err, &malformed) || malformed.Status != 400 || !strings.HasPrefix(err.Error(), "limit must be") {
			t.Errorf("got %v", err)
		}
		for n, err := range w.All(t.Context(), "/none/", client.ListOptions{}) {
			if n != nil || !client.HasCode(err, client.CodeKeyNotFound) {
				t.Errorf("got %v, %v", n, err)
			}
		}
	})
}

func TestAPageThatIsNoneIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{", `{"nodes":[null]}`, `{"nodes":[{"value":"1"}]}`, `{"nodes":7}`} {
		c := mustNew(t, client.Config{Endpoints: []string{serve(t, say(200, text)).URL}})
		if p, err := c.List(t.Context(), "/", client.ListOptions{}); !errors.Is(err, client.ErrInvalidJSON) {
			t.Errorf("%s: got %+v, %v", text, p, err)
		}
	}
	etcd := mustNew(t, client.Config{Endpoints: []string{serve(t, say(404, "404 page not found\n")).URL}})
	var unknown *client.StatusError
	if _, err := etcd.List(t.Context(), "/", client.ListOptions{}); !errors.As(err, &unknown) || unknown.Status != 404 {
		t.Errorf("got %v", err)
	}
	if _, err := etcd.Status(t.Context(), false); !errors.As(err, &unknown) || unknown.Status != 404 {
		t.Errorf("got %v", err)
	}
	c := mustNew(t, client.Config{Endpoints: []string{serve(t, say(200, "{}")).URL}})
	if _, err := c.Status(t.Context(), false); !errors.Is(err, client.ErrInvalidJSON) {
		t.Errorf("got %v", err)
	}
}

func TestAStatusTellsOfMemberAndCluster(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		w.mustSet(t, "/a", "v")
		for _, m := range w.members.Members {
			c := mustNew(t, client.Config{Endpoints: []string{m.ClientURL}, Transport: w.members.Client().Transport})
			s, err := c.Status(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			leads := m.Leads()
			if s.Member.Name != m.Name || s.Member.Role != "voter" || len(s.Cluster.Members) != 3 || !s.Cluster.Healthy || s.Cluster.Leader == nil ||
				(s.Raft.State == "leader") != leads || (len(s.Raft.Followers) == 2) != leads || s.History.Capacity != 1000 || s.Members != nil {
				t.Errorf("%s: %+v", m.Name, s)
			}
		}
	})
}

func TestAStatusTellsOfAllMembers(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		s, err := w.Status(t.Context(), true)
		if err != nil || len(s.Members) != 1 || s.Members[0].Error != "" || s.Members[0].Status.Member.Name != "node1" || s.Members[0].Status.Disk.TreeBytes == 0 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
