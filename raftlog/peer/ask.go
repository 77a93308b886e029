package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"keytree/raftlog/member"
)

// Cluster is what a server says of the cluster it is in.
type Cluster struct {
	ID      member.ID
	Members []member.Member
	Version string // that the cluster agreed on, such as "3.4.0"; empty before
	Keytree bool   // the server is Keytree, not etcd
}

// maxAsked bounds the answers to Ask.
const maxAsked = 4 << 20

// Ask asks the server at a peer URL, Keytree or etcd, what cluster it is in.
func Ask(ctx context.Context, client *http.Client, url string) (Cluster, error) {
	url = strings.TrimSuffix(url, "/")
	var c Cluster
	var members []struct {
		ID         member.ID `json:"id"`
		Name       string    `json:"name"`
		PeerURLs   []string  `json:"peerURLs"`
		ClientURLs []string  `json:"clientURLs"`
		Learner    bool      `json:"isLearner"`
	}
	header, err := ask(ctx, client, url+"/members", &members)
	if err != nil {
		return Cluster{}, err
	}
	if c.ID, err = member.ParseID(header.Get(headerCluster)); err != nil {
		return Cluster{}, fmt.Errorf("%s/members does not say which cluster it is of: %w", url, err)
	}
	for _, m := range members {
		slices.Sort(m.PeerURLs)
		slices.Sort(m.ClientURLs)
		c.Members = append(c.Members, member.Member(m))
	}
	var version struct {
		Cluster string  `json:"etcdcluster"`
		Keytree *string `json:"keytree"`
	}
	if _, err := ask(ctx, client, url+"/version", &version); err != nil {
		return Cluster{}, err
	}
	if version.Cluster != "not_decided" {
		c.Version = version.Cluster
	}
	c.Keytree = version.Keytree != nil
	return c, nil
}

// Client is for questions to peers over plain HTTP. It dials as the streams
// do, follows nobody, and asks no proxy.
func (t *Transport) Client() *http.Client { return t.client }

// ask decodes the JSON that a URL answers with into v.
func ask(ctx context.Context, client *http.Client, url string, v any) (http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAsked+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, answer.Status)
	}
	if len(text) > maxAsked {
		return nil, fmt.Errorf("%s answered more than %d bytes", url, maxAsked)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return nil, fmt.Errorf("%s answered with something else than expected: %w", url, err)
	}
	return answer.Header, nil
}
