package httpapi

import (
	"fmt"
	"testing"
	"time"

	"keytree/raftlog/member"
	"keytree/raftlog/replica"
)

// The lists show a learner by one more field; those of voters are etcd's.
func TestALearnerIsShownAsOneAndAnswersEverything(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		time.Sleep(connected)
		added := b.at("leader").addMember("http://127.0.0.1:21524")
		joined := b.members.Join(added, "c4", "http://127.0.0.1:21514", func(c *replica.Config) { c.Role = member.Learner })
		joined.AwaitReady()
		b.settle()
		reader := b.of(joined)
		for _, m := range b.each() {
			m.get("/v2/members").wantIn(t, 200, fmt.Sprintf(
				`{"id":"%v","name":"c4","peerURLs":["http://127.0.0.1:21524"],"clientURLs":["http://127.0.0.1:21514"],"isLearner":true}`, added.ID))
			m.get("/v2/members/leader").wantIn(t, 200, `"clientURLs":["`+b.roles["leader"].ClientURL+`"]}`)
		}

		reader.put("/v2/keys/a", "value=1").wantIn(t, 201, `"value":"1"`)
		reader.get("/v2/keys/a?quorum=true").wantIn(t, 200, `"value":"1"`)
		reader.get("/v2/keys/a?wait=true&waitIndex=1").wantIn(t, 200, `"value":"1"`)
		reader.put("/v2/keys/a?prevValue=2", "value=3").wantIn(t, 412, `"errorCode":101`)
		reader.get("/health").wantIn(t, 200, `{"health":"true"}`)
		b.at("leader").get("/v2/stats/leader").wantIn(t, 200, `"`+added.ID.String()+`":{"latency"`)
		if s := reader.selfStats(); s.State != "StateFollower" || s.LeaderInfo.Leader != b.roles["leader"].Self().String() {
			t.Errorf("of itself it says %+v", s)
		}

		// Without the voters it reads on, and says that it is not well.
		for _, m := range b.members.Members[:3] {
			m.Kill()
		}
		time.Sleep(3 * time.Second)
		reader.get("/v2/keys/a").wantIn(t, 200, `"value":"1"`)
		if a := reader.get("/health"); a.status != 503 {
			t.Errorf("its health: %v", a)
		}
	})
}
