package client

import (
	"context"
	"fmt"
	"net"
	"strconv"
)

// Resolver finds the servers of a service. *net.Resolver is one.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (canonical string, records []*net.SRV, err error)
}

// Discover returns the endpoints that the SRV records of a domain name, first
// those reached by https (_etcd-client-ssl), then those by http
// (_etcd-client). A service name, which may be empty, is appended to both
// after a dash. Whether endpoints by http, which DNS cannot vouch for, are to
// be trusted is up to the caller. A nil resolver is net.DefaultResolver.
func Discover(ctx context.Context, r Resolver, domain, serviceName string) ([]string, error) {
	if r == nil {
		r = net.DefaultResolver
	}
	if serviceName != "" {
		serviceName = "-" + serviceName
	}
	secure, secureErr := lookUp(ctx, r, "etcd-client-ssl"+serviceName, "https", domain)
	plain, plainErr := lookUp(ctx, r, "etcd-client"+serviceName, "http", domain)
	if secureErr != nil && plainErr != nil {
		return nil, fmt.Errorf("dns lookup errors: %w and %w", secureErr, plainErr)
	}
	return append(secure, plain...), nil
}

func lookUp(ctx context.Context, r Resolver, service, scheme, domain string) ([]string, error) {
	_, records, err := r.LookupSRV(ctx, service, "tcp", domain)
	if len(records) == 0 && err != nil { // with both, some of the records were malformed
		return nil, err
	}
	var urls []string
	for _, one := range records {
		urls = append(urls, scheme+"://"+net.JoinHostPort(one.Target, strconv.Itoa(int(one.Port))))
	}
	return urls, nil
}
