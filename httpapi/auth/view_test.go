package auth

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"keytree/store"
)

// Records of etcd work as they are.
func TestEtcdsRecordsAreReadAsTheyAre(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b = openWith(t, b.tree, Bcrypt{})
		const hash = "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga" // of "allmine"
		b.record(enabledPath, "true")
		b.record(usersPath.Child("u"), `{"user":"u","password":"`+hash+`","roles":["r"]}`)
		b.record(rolesPath.Child("r"), `{"role":"r","permissions":{"kv":{"read":["/a"],"write":null}}}`)
		b.wantAllowed(claim("u", "allmine"), "/a")
		b.wantDenied(claim("u", "allmin"), "/a")
		b.wantDenied(guest, "/a")
	})
}

// Records are as etcd would write them, so that the way back is open too.
func TestRecordsAreAsEtcdWritesThem(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b = openWith(t, b.tree, Bcrypt{Cost: 4})
		b.enable()
		b.role("r", []string{"/a<b"}, nil)
		b.user("u", strings.Repeat("long", 30))
		for path, want := range map[store.Path]string{
			enabledPath:                "true",
			rolesPath.Child(GuestRole): `{"role":"guest","permissions":{"kv":{"read":["/*"],"write":["/*"]}}}`,
			rolesPath.Child("r"):       `{"role":"r","permissions":{"kv":{"read":["/a\u003cb"],"write":null}}}`,
			usersPath.Child(RootUser):  `{"user":"root","password":"$2a$04$","roles":["root"]}`,
			usersPath.Child("u"):       `{"user":"u","password":"$2a$04$","roles":null}`,
		} {
			n, _, err := b.tree.Get(path)
			got := regexp.MustCompile(`(\$2a\$04\$)[./A-Za-z0-9]{53}"`).ReplaceAllString(n.Value, `${1}"`)
			if err != nil || got != want {
				t.Errorf("%s: got %s, %v, want %s", path, got, err, want)
			}
		}
		b.wantDenied(claim("u", strings.Repeat("long", 17)), "/a")
		if right, err := b.checks.verify(t.Context(), b.stored("u", strings.Repeat("long", 18)+"and on")); err != nil || !right {
			t.Errorf("more than 72 bytes of a password count: %t, %v", right, err)
		}
	})
}

// stored is the question whether password is that of a user.
func (b *bench) stored(name, password string) check {
	b.t.Helper()
	u, err := b.User(name)
	if err != nil {
		b.t.Fatal(err)
	}
	return check{user: name, hash: u.Password, password: password, from: "192.0.2.1:1"}
}

func TestASwitchThatIsDamagedOpensNothing(t *testing.T) {
	for _, value := range []string{"maybe", "{", `"true"`, "1", "truefalse"} {
		t.Run(value, func(t *testing.T) {
			told(t, func(t *testing.T, b *bench) {
				b.enable()
				b.record(enabledPath, value)
				for _, c := range []*Claim{guest, claim(RootUser, "rootpw")} {
					if err := b.ask(c, "/a"); err == nil || errors.Is(err, ErrDenied) {
						t.Errorf("got %v", err)
					}
					if _, err := b.AllowRoot(t.Context(), c); err == nil || errors.Is(err, ErrDenied) {
						t.Errorf("as root: got %v", err)
					}
				}
			})
		})
	}
}

func TestALayoutOfAnotherVersionOpensNothing(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enable()
		b.record(layoutPath, "2")
		if err := b.ask(claim(RootUser, "rootpw"), "/a"); err == nil || !strings.Contains(err.Error(), `layout "2"`) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDamagedRecordsGrantNothingAndAreNamedOnce(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enable()
		if err := b.DeleteRole(t.Context(), "", GuestRole); err != nil {
			t.Fatal(err)
		}
		everything := `{"role":"ROLE","permissions":{"kv":{"read":["*"],"write":["*"]}}}`
		for i, damage := range []string{"", "{", "[]", `{"role":"other","permissions":{"kv":{"read":["*"],"write":["*"]}}}`, `{"role":"root"}`} {
			b.record(rolesPath.Child("r"), strings.Replace(everything, "ROLE", "r", 1))
			b.record(usersPath.Child("u"), `{"user":"u","password":"stub:p","roles":["r"]}`)
			b.wantAllowed(claim("u", "p"), "/a")
			b.record(rolesPath.Child("r"), damage)
			b.wantDenied(claim("u", "p"), "/a")
			b.wantDenied(claim("u", "p"), "/a")
			if got := strings.Count(b.log.String(), "the record of a role is damaged"); got != i+1 {
				t.Errorf("%q: %d complaints, want %d", damage, got, i+1)
			}
		}
		for _, damage := range []string{
			"", "{", `{"user":"other","password":"stub:p","roles":["root"]}`, `{"user":"u","roles":["root"]}`,
			`{"user":"u","password":"","roles":["root"]}`, `{"user":"u","password":"p","roles":["root"]}`,
		} {
			b.record(usersPath.Child("u"), damage)
			b.wantDenied(claim("u", "p"), "/a")
			b.wantDenied(claim("u", ""), "/a")
			b.wantDenied(&Claim{Certificate: "u"}, "/a")
		}
		b.record(usersPath.Child(RootUser), "{")
		if _, err := b.AllowRoot(t.Context(), &Claim{Certificate: RootUser}); !errors.Is(err, ErrDenied) {
			t.Errorf("a damaged root user: %v", err)
		}
		if got := strings.Count(b.log.String(), "nobody can be that user"); got != 7 {
			t.Errorf("%d complaints: %s", got, b.log)
		}
	})
}

// Hidden names are missing in listings only.
func TestHiddenUsersAndRolesCount(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.role("_r", []string{"/a"}, nil)
		b.user("_u", "p", "_r")
		b.enable()
		b.wantAllowed(claim("_u", "p"), "/a")
		users, err := b.Users()
		if err != nil || len(users) != 1 || users[0].Name != RootUser {
			t.Errorf("got %v, %v", users, err)
		}
	})
}

// What is remembered of the tree is bounded by what is there.
func TestNamesThatClientsThinkOfAreNotRemembered(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enable()
		for range 100 {
			b.wantDenied(&Claim{Given: true, Readable: true, User: strings.Repeat("x", 2000), Password: "p"}, "/a")
			b.wantDenied(claim("nobody", "p"), "/a")
		}
		v, err := b.current()
		if err != nil || len(v.accounts) != 0 {
			t.Errorf("got %v, %v", v.accounts, err)
		}
	})
}
