package deploy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestThePodsHaveNoRights(t *testing.T) {
	all, m := mustReadObjects(t), mustBuild(t)
	p, c := all.set.Spec.Template.Spec, all.container(t)
	is := func(b *bool, want bool) bool { return b != nil && *b == want }
	if s := p.SecurityContext; !s.RunAsNonRoot || s.SeccompProfile["type"] != "RuntimeDefault" || fmt.Sprintf("%d:%d", s.RunAsUser, s.RunAsGroup) != m.user || s.FSGroup != s.RunAsGroup {
		t.Errorf("the pods run as %+v, and the image's user is %s", s, m.user)
	}
	if s := c.SecurityContext; !is(s.AllowPrivilegeEscalation, false) || !s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("the container runs as %+v", s)
	}
	if !is(p.AutomountServiceAccountToken, false) {
		t.Error("the pods are given a token that they have no use for")
	}
	// Kubernetes would add KEYTREE_SERVICE_HOST and the like, and they would be
	// taken for settings.
	if !is(p.EnableServiceLinks, false) {
		t.Error("the names of services become variables")
	}
	if c.Resources.Limits["memory"] == "" || c.Resources.Requests["cpu"] == "" || c.Resources.Limits["memory"] != c.Resources.Requests["memory"] {
		t.Errorf("the resources are %+v", c.Resources)
	}
}

func TestThePodsKeepTheirDataOnTheirVolumes(t *testing.T) {
	all, m := mustReadObjects(t), mustBuild(t)
	c, claims := all.container(t), all.set.Spec.VolumeClaimTemplates
	if len(claims) != 1 || len(c.VolumeMounts) != 1 || c.VolumeMounts[0].Name != claims[0].Metadata.Name || c.VolumeMounts[0].MountPath != m.volumes[0] {
		t.Errorf("mounted is %+v, claimed %+v", c.VolumeMounts, claims)
	}
	// Not the root of the volume, which may have a lost+found.
	if !slices.Contains(c.Args, "--data-dir="+m.volumes[0]+"/keytree") {
		t.Errorf("the data are not on the volume: %v", c.Args)
	}
}

func TestAPodThatEndsHasTheTimeItNeeds(t *testing.T) {
	all := mustReadObjects(t)
	c, grace := all.container(t), all.set.Spec.Template.Spec.TerminationGracePeriodSeconds
	const handover = 10 // seconds: with requests under way and a slow disk
	if sleep := c.Lifecycle.PreStop.Sleep.Seconds; sleep < 1 || sleep+handover > grace {
		t.Errorf("it sleeps for %d s, and is killed after %d", sleep, grace)
	}
	for name, p := range map[string]probe{"startup": c.StartupProbe, "liveness": c.LivenessProbe, "readiness": c.ReadinessProbe} {
		if p.HTTPGet.Port != c.Ports[0].Name || p.PeriodSeconds < 1 || p.FailureThreshold < 2 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if c.StartupProbe.PeriodSeconds*c.StartupProbe.FailureThreshold < 300 {
		t.Error("a long replay of the log is taken for a hang")
	}
}

// podArgs are the arguments of one pod.
func podArgs(t *testing.T, all objects, name, namespace string) (args []string) {
	t.Helper()
	c := all.container(t)
	values := map[string]string{"metadata.name": name, "metadata.namespace": namespace}
	for _, a := range c.Args {
		for _, v := range c.Env {
			a = strings.ReplaceAll(a, "$("+v.Name+")", values[v.ValueFrom.FieldRef.FieldPath])
		}
		if strings.Contains(a, "$(") {
			t.Errorf("%s has a variable that nobody sets", a)
		}
		args = append(args, a)
	}
	return args
}

func TestThePodsAreACluster(t *testing.T) {
	all, m := mustReadObjects(t), mustBuild(t)
	c, replicas := all.container(t), all.set.Spec.Replicas
	known := mustListFlags(t, m)
	name := func(i int) string { return all.set.Metadata.Name + "-" + strconv.Itoa(i) }
	host := func(i int) string { return name(i) + "." + all.set.Spec.ServiceName + ".default.svc" }
	hosts := map[string]string{}
	for i := range replicas {
		hosts[host(i)] = name(i)
	}
	n := newNetwork(t, func(host string) string {
		if hosts[host] == "" {
			t.Errorf("%s is no name of a pod", host)
		}
		return hosts[host]
	})
	var members []*member
	for i := range replicas {
		args := podArgs(t, all, name(i), "default")
		for j, a := range args {
			flag, _, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
			if !slices.Contains(known, flag) {
				t.Errorf("--%s is no flag", flag)
			}
			args[j] = n.translated(a, name(i))
		}
		one := mustRunImage(t, m, args, nil, n.address(name(i), strconv.Itoa(c.Ports[0].ContainerPort)))
		members = append(members, one)
		if i == 0 { // alone it lives and is not ready, or the others would never come
			one.mustAnswer(c.StartupProbe.HTTPGet.Path, 200)
			one.mustAnswer(c.LivenessProbe.HTTPGet.Path, 200)
			one.mustAnswer(c.ReadinessProbe.HTTPGet.Path, 503)
		}
	}
	mustAgree(t, members)
	for _, one := range members {
		one.mustAnswer(c.LivenessProbe.HTTPGet.Path, 200)
		one.mustAnswer(c.ReadinessProbe.HTTPGet.Path, 200)
		if unknown := regexp.MustCompile(`unrecognized.*`).FindString(one.said.String()); unknown != "" {
			t.Error(unknown)
		}
	}
}
