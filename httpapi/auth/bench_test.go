package auth

import (
	"context"
	"testing"

	"keytree/httpapi/apitest"
)

func BenchmarkAllowRemembered(b *testing.B) {
	a := Open(Config{Tree: apitest.Open(b, 1, nil).Members[0].Replica, Hasher: Bcrypt{Cost: 4}})
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	defer func() { stop(); <-ended }()
	for _, u := range []User{{Name: RootUser, Password: "rootpw"}, {Name: "u", Password: "password", Roles: []string{"r"}}} {
		if _, _, err := a.PutUser(ctx, "", u); err != nil {
			b.Fatal(err)
		}
	}
	if err := a.MakeRole(ctx, "", Role{Name: "r", Permissions: Permissions{Patterns{Read: []string{"/a/*"}}}}); err != nil {
		b.Fatal(err)
	}
	if err := a.Enable(ctx, ""); err != nil {
		b.Fatal(err)
	}
	c, w := claim("u", "password"), Wish{Key: "/a/b"}
	if _, err := a.Allow(ctx, c, w); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := a.Allow(ctx, c, w); err != nil {
				b.Fatal(err)
			}
		}
	})
}
