package deploy

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

type labels map[string]string

// metadata is what each object begins with.
type metadata struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct {
		Name   string
		Labels labels
	}
}

type service struct {
	metadata `yaml:",inline"`
	Spec     struct {
		ClusterIP                string `yaml:"clusterIP"`
		PublishNotReadyAddresses bool   `yaml:"publishNotReadyAddresses"`
		Selector                 labels
		Ports                    []struct {
			Name       string
			Port       int
			TargetPort string `yaml:"targetPort"`
		}
	}
}

type selector struct {
	MatchLabels labels `yaml:"matchLabels"`
}

type disruptionBudget struct {
	metadata `yaml:",inline"`
	Spec     struct {
		MinAvailable int `yaml:"minAvailable"`
		Selector     selector
	}
}

type statefulSet struct {
	metadata `yaml:",inline"`
	Spec     struct {
		ServiceName         string `yaml:"serviceName"`
		Replicas            int
		PodManagementPolicy string `yaml:"podManagementPolicy"`
		Selector            selector
		Template            struct {
			Metadata struct {
				Labels      labels
				Annotations map[string]string
			}
			Spec pod
		}
		VolumeClaimTemplates []struct {
			Metadata struct {
				Name   string
				Labels labels
			}
			Spec struct {
				AccessModes []string `yaml:"accessModes"`
				Resources   struct{ Requests map[string]string }
			}
		} `yaml:"volumeClaimTemplates"`
	}
}

type pod struct {
	AutomountServiceAccountToken  *bool `yaml:"automountServiceAccountToken"`
	EnableServiceLinks            *bool `yaml:"enableServiceLinks"`
	TerminationGracePeriodSeconds int   `yaml:"terminationGracePeriodSeconds"`
	SecurityContext               struct {
		RunAsNonRoot        bool              `yaml:"runAsNonRoot"`
		RunAsUser           int               `yaml:"runAsUser"`
		RunAsGroup          int               `yaml:"runAsGroup"`
		FSGroup             int               `yaml:"fsGroup"`
		FSGroupChangePolicy string            `yaml:"fsGroupChangePolicy"`
		SeccompProfile      map[string]string `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	Affinity struct {
		PodAntiAffinity struct {
			Preferred []struct {
				Weight          int
				PodAffinityTerm struct {
					TopologyKey   string   `yaml:"topologyKey"`
					LabelSelector selector `yaml:"labelSelector"`
				} `yaml:"podAffinityTerm"`
			} `yaml:"preferredDuringSchedulingIgnoredDuringExecution"`
		} `yaml:"podAntiAffinity"`
	}
	Containers []podContainer
}

type podContainer struct {
	Name            string
	Image           string
	ImagePullPolicy string `yaml:"imagePullPolicy"`
	Args            []string
	Env             []struct {
		Name      string
		ValueFrom struct {
			FieldRef struct {
				FieldPath string `yaml:"fieldPath"`
			} `yaml:"fieldRef"`
		} `yaml:"valueFrom"`
	}
	Ports           []containerPort
	Resources       struct{ Requests, Limits map[string]string }
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
	StartupProbe   probe `yaml:"startupProbe"`
	LivenessProbe  probe `yaml:"livenessProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`
	Lifecycle      struct {
		PreStop struct {
			Sleep struct{ Seconds int }
		} `yaml:"preStop"`
	}
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

type containerPort struct {
	Name          string
	ContainerPort int `yaml:"containerPort"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`

	PeriodSeconds    int `yaml:"periodSeconds"`
	TimeoutSeconds   int `yaml:"timeoutSeconds"`
	FailureThreshold int `yaml:"failureThreshold"`
}

// objects are those of kubernetes.yaml.
type objects struct {
	services map[string]service
	budget   disruptionBudget
	set      statefulSet
}

func mustReadObjects(t *testing.T) objects {
	t.Helper()
	text, err := os.ReadFile("kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := objects{services: map[string]service{}}
	for documents := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var one yaml.Node
		err := documents.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		var head metadata
		if err := one.Decode(&head); err != nil {
			t.Fatal(err)
		}
		raw, err := yaml.Marshal(&one)
		if err != nil {
			t.Fatal(err)
		}
		switch head.APIVersion + " " + head.Kind {
		case "v1 Service":
			var s service
			mustReadStrictly(t, raw, &s)
			all.services[s.Metadata.Name] = s
		case "policy/v1 PodDisruptionBudget":
			mustReadStrictly(t, raw, &all.budget)
		case "apps/v1 StatefulSet":
			mustReadStrictly(t, raw, &all.set)
		default:
			t.Fatalf("there is a %s %s, which this test does not know", head.APIVersion, head.Kind)
		}
	}
}

// container is the one in the pods.
func (o objects) container(t *testing.T) podContainer {
	t.Helper()
	all := o.set.Spec.Template.Spec.Containers
	if len(all) != 1 {
		t.Fatalf("there are %d containers", len(all))
	}
	return all[0]
}

func TestTheServicesAndTheBudgetAreOfThePods(t *testing.T) {
	all := mustReadObjects(t)
	spec := all.set.Spec
	for name, selected := range map[string]labels{
		"the service of clients": all.services["keytree"].Spec.Selector, "the service of members": all.services[spec.ServiceName].Spec.Selector,
		"the budget": all.budget.Spec.Selector.MatchLabels, "the set": spec.Selector.MatchLabels,
		"the anti-affinity": spec.Template.Spec.Affinity.PodAntiAffinity.Preferred[0].PodAffinityTerm.LabelSelector.MatchLabels,
	} {
		if len(selected) == 0 || !maps.Equal(selected, spec.Template.Metadata.Labels) {
			t.Errorf("%s selects %v, and the pods have %v", name, selected, spec.Template.Metadata.Labels)
		}
	}
	members := all.services[spec.ServiceName]
	if members.Spec.ClusterIP != "None" || !members.Spec.PublishNotReadyAddresses {
		t.Error("members are not found by name before they are ready, and are not ready before they are found")
	}
	if all.services["keytree"].Spec.ClusterIP != "" || all.services["keytree"].Spec.PublishNotReadyAddresses {
		t.Error("clients are sent to members that are not ready")
	}
	c := all.container(t)
	for _, s := range all.services {
		for _, p := range s.Spec.Ports {
			if !slices.Contains(c.Ports, containerPort{p.TargetPort, p.Port}) {
				t.Errorf("%s has port %d for %s, which no container has", s.Metadata.Name, p.Port, p.TargetPort)
			}
		}
	}
	if quorum := spec.Replicas/2 + 1; all.budget.Spec.MinAvailable != quorum {
		t.Errorf("%d members are kept available, and %d are a quorum", all.budget.Spec.MinAvailable, quorum)
	}
	if spec.PodManagementPolicy != "Parallel" {
		t.Error("the first founder would be waited for, and it waits for the second")
	}
}
