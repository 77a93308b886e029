package deploy

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// composition is docker-compose.yml, as far as it goes.
type composition struct {
	Name     string
	Services map[string]struct {
		Image           string
		Restart         string
		ReadOnly        bool              `yaml:"read_only"`
		CapDrop         []string          `yaml:"cap_drop"`
		SecurityOpt     []string          `yaml:"security_opt"`
		StopGracePeriod string            `yaml:"stop_grace_period"`
		Environment     map[string]string `yaml:"environment"`
		Ports           []string
		Volumes         []string
	}
	Volumes  map[string]any
	XMember  any `yaml:"x-member"`
	XCluster any `yaml:"x-cluster"`
}

// mustReadStrictly reads YAML into v, which must have a place for everything.
func mustReadStrictly(t *testing.T, text []byte, v any) {
	t.Helper()
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		t.Fatal(err)
	}
}

func mustReadComposition(t *testing.T) (c composition) {
	t.Helper()
	text, err := os.ReadFile("docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	mustReadStrictly(t, text, &c)
	return c
}

func TestTheComposedMembersHaveTheTutorialsNamesAndPorts(t *testing.T) {
	c, m := mustReadComposition(t), mustBuild(t)
	want := map[string]string{"infra1": "2379", "infra2": "22379", "infra3": "32379"}
	if got := slices.Sorted(maps.Keys(c.Services)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Fatalf("the services are %v", got)
	}
	for name, s := range c.Services {
		var variables []string
		for v := range s.Environment {
			variables = append(variables, v)
		}
		mustBeKnown(t, m, variables)
		port := want[name]
		if got := s.Ports; !slices.Equal(got, []string{port + ":" + port}) {
			t.Errorf("%s has the ports %v", name, got)
		}
		if got := s.Environment["KEYTREE_LISTEN_CLIENT_URLS"]; got != "http://0.0.0.0:"+port {
			t.Errorf("%s listens on %s", name, got)
		}
		for _, u := range []string{"http://" + name + ":" + port, "http://localhost:" + port} {
			if !slices.Contains(strings.Split(s.Environment["KEYTREE_ADVERTISE_CLIENT_URLS"], ","), u) {
				t.Errorf("%s does not tell clients of %s", name, u)
			}
		}
		if s.Environment["KEYTREE_NAME"] != name {
			t.Errorf("%s is called %s", name, s.Environment["KEYTREE_NAME"])
		}
		if _, declared := c.Volumes[name]; !declared || !slices.Equal(s.Volumes, []string{name + ":" + m.volumes[0]}) {
			t.Errorf("%s keeps its data in %v", name, s.Volumes)
		}
		if s.Image != "keytree" || s.Restart != "on-failure" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || len(s.SecurityOpt) == 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestTheComposedMembersAreACluster(t *testing.T) {
	c, m := mustReadComposition(t), mustBuild(t)
	n := newNetwork(t, firstLabel)
	var members []*member
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		var env []string
		for v, value := range c.Services[name].Environment {
			env = append(env, v+"="+n.translated(value, name))
		}
		_, inside, _ := strings.Cut(c.Services[name].Ports[0], ":")
		members = append(members, mustRunImage(t, m, nil, env, n.address(name, inside)))
	}
	mustAgree(t, members)
	for _, one := range members { // as the engine looks after them
		p := mustStart(t, m.root+m.health[0], m.health[1:], one.env)
		if code := p.mustEnd(); code != 0 || !strings.Contains(p.said.String(), fmt.Sprintf("http://%s is healthy", one.client)) {
			t.Errorf("%v: exit %d: %s", m.health, code, p.said)
		}
	}
}
