package main

import "net"

// legacyAddresses are the flags of etcd 0.4 for what are URLs today.
type legacyAddresses struct{ client, clientBind, peer, peerBind ipPort }

// legacySettings are those that older etcds had and newer ones replaced.
func (c *config) legacySettings() []setting {
	return []setting{
		{name: "addr", usage: "IP:PORT.", value: &c.legacy.client, instead: "advertise-client-urls"},
		{name: "bind-addr", usage: "IP:PORT; [::]:PORT with the port of --addr if only that is given.", value: &c.legacy.clientBind, instead: "listen-client-urls"},
		{name: "peer-addr", usage: "IP:PORT.", value: &c.legacy.peer, instead: "initial-advertise-peer-urls"},
		{name: "peer-bind-addr", usage: "IP:PORT; [::]:PORT with the port of --peer-addr if only that is given.", value: &c.legacy.peerBind, instead: "listen-peer-urls"},
		{name: "ca-file", usage: "asks for client certificates as well.", value: (*text)(&c.clientTLS.caFile), section: clientSection, key: "ca-file", instead: "trusted-ca-file"},
		{name: "peer-ca-file", usage: "asks for peers' certificates as well.", value: (*text)(&c.peerTLS.caFile), section: peerSection, key: "ca-file", instead: "peer-trusted-ca-file"},
		{name: "log-output", usage: "used if the new one is not.", value: &c.formerLogOutput, instead: "log-outputs"},
	}
}

// ignoredSettings are those that etcd takes only so that old unit files go on
// working, and the two that it takes no more.
func (c *config) ignoredSettings() []setting {
	var all []setting
	for _, name := range []string{
		"cluster-active-size", "cluster-remove-delay", "cluster-sync-interval", "config", "force", "max-result-buffer", "max-retry-attempts",
		"peer-heartbeat-interval", "peer-election-timeout", "retry-interval", "snapshot", "v", "vv",
	} {
		all = append(all, setting{name: name, value: new(ignored)})
	}
	for _, name := range []string{"peers", "peers-file"} {
		all = append(all, setting{name: name, value: withdrawn{name}})
	}
	return all
}

// useLegacyAddresses makes URLs of the addresses. What an address replaces must
// not be given as well.
func (c *config) useLegacyAddresses() error {
	l := &c.legacy
	for _, side := range []struct{ addr, bind *ipPort }{{&l.peer, &l.peerBind}, {&l.client, &l.clientBind}} {
		if _, port, err := net.SplitHostPort(string(*side.addr)); err == nil && *side.bind == "" {
			*side.bind = ipPort(net.JoinHostPort("::", port))
		}
	}
	for _, a := range []struct {
		addr        ipPort
		flag, today string
		urls        *urls
		tls         tlsConfig
	}{
		{l.peerBind, "peer-bind-addr", "listen-peer-urls", &c.listenPeer, c.peerTLS},
		{l.peer, "peer-addr", "initial-advertise-peer-urls", &c.advertisePeer, c.peerTLS},
		{l.clientBind, "bind-addr", "listen-client-urls", &c.listenClient, c.clientTLS},
		{l.client, "addr", "advertise-client-urls", &c.advertiseClient, c.clientTLS},
	} {
		if a.addr == "" {
			continue
		}
		if c.given[a.today] {
			return verification("Set only one of flags -%s and -%s", a.today, a.flag)
		}
		scheme := "http://"
		if a.tls.hasFiles() || a.tls.auto {
			scheme = "https://"
		}
		if err := a.urls.Set(scheme + string(a.addr)); err != nil {
			return verification("%w", err)
		}
	}
	return nil
}

// useLegacyCAs lets the CA files of etcd 2 mean what they meant there.
func (c *config) useLegacyCAs() {
	for _, side := range []struct {
		prefix string
		tls    *tlsConfig
	}{{"", &c.clientTLS}, {"peer-", &c.peerTLS}} {
		old, today := side.tls.caFile, &side.tls.trustedCAFile
		if old == "" {
			continue
		}
		if *today != "" && *today != old {
			c.warn("%sca-file %s is not used, because %strusted-ca-file is %s", side.prefix, old, side.prefix, *today)
		} else {
			*today = old
		}
		side.tls.clientCertAuth = true
	}
}

// noticeUnused says what was given for nothing.
func (c *config) noticeUnused(all []setting) {
	var inert words
	for _, s := range all {
		if i, ok := s.value.(*ignored); ok && i.there {
			hint := ""
			if s.name == "config" {
				hint = " The file to read is --config-file."
			}
			c.warn(`flag "-%s" is no longer supported - ignoring.%s`, s.name, hint)
		}
		if s.inert && c.given[s.name] {
			inert = append(inert, s.name)
		}
	}
	if len(inert) > 0 {
		c.info("accepted, without effect here: %v", &inert)
	}
}
