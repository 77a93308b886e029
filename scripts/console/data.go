package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"

	"keytree/scripts/process"
)

// The large directory, and what its children are called.
const largeDirectory = "/load"

func loadName(n int) string { return fmt.Sprintf("key-%06d", n) }

// prepare puts into the cluster what the scenarios find there.
func prepare(ctx context.Context, c *cluster, keys int) error {
	l, err := c.leader(ctx)
	if err != nil {
		return err
	}
	for _, one := range samples() {
		if err := l.client().set(ctx, one[0], one[1]); err != nil {
			return err
		}
	}
	return fill(ctx, l.server.Addr, keys)
}

// samples are keys such as people have.
func samples() [][2]string {
	all := [][2]string{
		{"/config/app/database", `{"host":"db1.internal","port":5432,"pool":{"min":4,"max":64},"ssl":true,"replicas":["db2.internal","db3.internal"]}`},
		{"/config/app/log-level", "info"},
		{"/config/app/motd", "Maintenance on Sunday\nfrom 02:00 to 04:00 UTC"},
		{"/config/app/features", `{"search":true,"export":false}`},
		{"/config/limits", `{"requests":1000}`},
		{"/locks/deploy", "worker-7"},
		{"/leader", "node-a"},
	}
	for _, service := range []string{"api", "mail", "web"} {
		for n := range 4 {
			all = append(all, [2]string{fmt.Sprintf("/services/%s/%s-%d", service, service, n+1), fmt.Sprintf("10.0.%d.%d:8080", len(service), 11+n)})
		}
	}
	return all
}

// fillers are the connections that the large directory is filled through.
const fillers = 64

// fill makes the children of the large directory.
func fill(ctx context.Context, addr string, keys int) error {
	errs := make([]error, fillers)
	var wg sync.WaitGroup
	for i := range fillers {
		wg.Go(func() {
			conn := process.NewConn(addr)
			defer conn.Close()
			for n := i; n < keys && errs[i] == nil; n += fillers {
				name := loadName(n)
				a, err := conn.Do(ctx, process.Request{
					Method: "PUT", Target: "/v2/keys" + largeDirectory + "/" + name,
					Header: process.Form(), Body: []byte("value=" + url.QueryEscape("value of "+name)),
				})
				if err == nil && a.Status != 201 {
					err = fmt.Errorf("PUT %s: %d %s", name, a.Status, a.Body)
				}
				errs[i] = err
			}
		})
	}
	wg.Wait()
	return step("fill "+largeDirectory, errors.Join(errs...))
}
