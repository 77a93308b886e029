package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"keytree/httpapi"
)

// advise says what is allowed and yet hardly meant.
func (c *config) advise() {
	c.useLogPackageLevels()
	c.adviseOnTLS("client", "--client-cert-auth", c.clientTLS, c.listenClient)
	c.adviseOnTLS("peer", "--peer-client-cert-auth", c.peerTLS, c.listenPeer)
	if c.bcryptCost < 4 || c.bcryptCost > 31 {
		c.warnMending(fmt.Sprintf("--bcrypt-cost %d", defaultBcryptCost), "--bcrypt-cost[%d] should be between 4 and 31: using %d", c.bcryptCost, defaultBcryptCost)
		c.bcryptCost = defaultBcryptCost
	}
	if c.maxRequestBytes > httpapi.MaxRequestBytesBound {
		c.warnMending(fmt.Sprintf("--max-request-bytes %d", httpapi.MaxRequestBytesBound), "--max-request-bytes[%d] is more than the log can carry: using %d", c.maxRequestBytes, httpapi.MaxRequestBytesBound)
		c.maxRequestBytes = httpapi.MaxRequestBytesBound
	}
	if c.memberRole != "" && c.proxy.mode != proxyOff {
		c.warn("--member-role has no effect on a proxy")
	}
	if c.auditReads && c.auditLog == "" {
		c.warnMending("--audit-log FILE", "--audit-reads has no effect without --audit-log")
	}
	if c.unsafeNoFsync {
		c.warn("--unsafe-no-fsync has no effect: what was acknowledged is on the disk")
	}
}

// adviseOnReach warns of addresses that lead others nowhere.
func (c *config) adviseOnReach() {
	if c.proxy.mode == proxyOff {
		c.adviseOnAdvertised("advertise-client-urls", "clients", c.advertiseClient, c.listenClient)
		c.adviseOnAdvertised("initial-advertise-peer-urls", "other members", c.advertisePeer, c.listenPeer)
	}
}

// adviseOnTLS names the listeners that the settings for TLS do not protect.
// Its words are etcd 2's.
func (c *config) adviseOnTLS(side, authFlag string, t tlsConfig, listening urls) {
	if t.auto && t.hasFiles() {
		c.warn("ignoring %s auto TLS since certs given", side)
	}
	for _, raw := range listening {
		if isSecure(raw) {
			continue
		}
		if t.hasFiles() {
			c.warnMending(fmt.Sprintf("--listen-%s-urls %s", side, encrypted(raw)), "The scheme of %s url %s is http while %s key/cert files are presented. Ignored %s key/cert files.", side, raw, side, side)
		}
		if t.clientCertAuth {
			c.warnMending(fmt.Sprintf("--listen-%s-urls %s", side, encrypted(raw)), "The scheme of %s url %s is http while client cert auth (%s) is enabled. Ignored client cert auth for this url.", side, raw, authFlag)
		}
	}
}

// adviseOnAdvertised warns of addresses that lead others nowhere: clients ask
// for the addresses of all members and go on with those.
func (c *config) adviseOnAdvertised(flag, who string, advertised, listening urls) {
	for _, raw := range advertised {
		if isWildcard(hostOf(raw)) {
			c.warn("--%s has %s, which is no address to reach this member at: set it to one that %s can connect to", flag, raw, who)
			return
		}
	}
	home := func(raw string) bool { return isLoopback(hostOf(raw)) }
	if every(advertised, home) && !every(listening, home) {
		c.warn("--%s is %v, so %s on other machines cannot reach this member, though it listens on %v: set it to an address of this machine",
			flag, &advertised, who, &listening)
	}
}

// encrypted is the same URL for TLS.
func encrypted(raw string) string {
	scheme, rest, _ := strings.Cut(raw, "://")
	return scheme + "s://" + rest
}

func every(list urls, is func(string) bool) bool {
	return !slices.ContainsFunc(list, func(raw string) bool { return !is(raw) })
}

// hostOf is the host of a URL. A socket in the file system is on this one.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "unix" || u.Scheme == "unixs" {
		return "localhost"
	}
	return u.Hostname()
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// isWildcard reports whether a host to listen on means all addresses of the
// machine.
func isWildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}
