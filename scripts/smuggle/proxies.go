package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"keytree/scripts/process"
)

// backend is the server that all proxies lead to.
type backend struct {
	server *process.Server
	audit  string // its log
}

func startBackend(ctx context.Context, o options, dir string, ports *process.Ports) (*backend, error) {
	client, err := ports.Take()
	if err != nil {
		return nil, err
	}
	peer, err := ports.Take()
	if err != nil {
		return nil, err
	}
	b := &backend{audit: filepath.Join(dir, "audit")}
	b.server, err = process.Start(ctx, process.Config{
		Binary: o.keytree, Dir: filepath.Join(dir, "data"), Client: client, Peer: peer,
		Args: []string{"--audit-log", b.audit, "--audit-reads", "--http-engine", o.engine},
	})
	if err != nil {
		return nil, err
	}
	ready, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	if err := b.server.Ready(ready); err != nil {
		return nil, errors.Join(err, b.server.Stop())
	}
	return b, nil
}

// proxy is one that runs. Its log has a line for each request that it sent on:
// the mark it was given, its method and its target.
type proxy struct {
	name string
	addr string
	log  string
	cmd  *exec.Cmd
	said *bytes.Buffer // by the program itself
}

// The marks of requests are told to the server as addresses of clients. What
// clients say of that themselves is not passed on.
const haproxyConfig = `
global
  nbthread 1 # several would drop lines of the log
  log stdout len 65535 format raw local0
defaults
  mode http
  log global
  timeout connect 2s
  timeout client 5s
  timeout server 5s
  timeout http-request 2s
  http-reuse always
  unique-id-format MARK-%rt
  log-format "%ID %HM %HU"
frontend f
  bind ADDRESS
  OPTION
  http-request set-header X-Forwarded-For %[unique-id]
  http-request deny if { path,url_dec -m sub smuggled }
  default_backend b
backend b
  server s BACKEND
`

const nginxConfig = `
daemon off;
master_process off;
pid nginx.pid;
error_log nginx.err crit;
events { worker_connections 256; }
http {
  log_format marks 'MARK-$request_id $request_method $request_uri';
  access_log LOG marks;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  upstream b { server BACKEND; keepalive 4; }
  server {
    listen ADDRESS;
    ignore_invalid_headers off;
    underscores_in_headers on;
    client_header_timeout 2s;
    client_body_timeout 2s;
    location ~ smuggled { return 403; }
    location / {
      proxy_pass http://b;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For MARK-$request_id;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_read_timeout 5s;
      proxy_next_upstream off;
    }
  }
}
`

// startProxies starts HAProxy twice, once so that it lets through what it
// would refuse, and nginx, which is made to be that lax.
func startProxies(ctx context.Context, o options, dir, backend string, ports *process.Ports) (all []*proxy, err error) {
	defer func() {
		for _, p := range all {
			if err != nil {
				err = errors.Join(err, p.stop())
			}
		}
	}()
	for _, kind := range []struct{ name, binary, config, option string }{
		{"haproxy", o.haproxy, haproxyConfig, ""},
		{"haproxy-lax", o.haproxy, haproxyConfig, "option accept-invalid-http-request"},
		{"nginx", o.nginx, nginxConfig, ""},
	} {
		port, err := ports.Take()
		if err != nil {
			return all, err
		}
		p := &proxy{name: kind.name, addr: fmt.Sprint("127.0.0.1:", port), log: filepath.Join(dir, kind.name+".log"), said: &bytes.Buffer{}}
		home := filepath.Join(dir, kind.name)
		config := strings.NewReplacer("MARK", kind.name, "ADDRESS", p.addr, "BACKEND", backend, "LOG", p.log, "OPTION", kind.option).Replace(kind.config)
		if err := errors.Join(os.Mkdir(home, 0o700), os.WriteFile(filepath.Join(home, "config"), []byte(config), 0o600)); err != nil {
			return all, err
		}
		if err := p.start(ctx, kind.binary, home); err != nil {
			return all, err
		}
		all = append(all, p)
		if err := p.ready(ctx); err != nil {
			return all, err
		}
	}
	return all, nil
}

// start starts the program; it writes its log, or says it.
func (p *proxy) start(ctx context.Context, binary, home string) error {
	p.cmd = exec.CommandContext(ctx, binary, "-db", "-f", filepath.Join(home, "config"))
	p.cmd.Stderr = p.said
	if p.name == "nginx" {
		p.cmd = exec.CommandContext(ctx, binary, "-p", home, "-c", "config", "-e", "nginx.err")
		p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
		return p.cmd.Start()
	}
	log, err := os.Create(p.log)
	if err != nil {
		return err
	}
	p.cmd.Stdout = log
	return errors.Join(p.cmd.Start(), log.Close()) // the program has its own
}

// ready waits until the proxy takes connections.
func (p *proxy) ready(ctx context.Context) error {
	for range 500 {
		if c, err := net.Dial("tcp", p.addr); err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s does not start", p.name)
}

// stop ends the proxy.
func (p *proxy) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case <-ended: // by the signal, or before it: what it left is looked at
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill() // as above
		<-ended
	}
	if p.said.Len() > 0 && p.name == "nginx" {
		return fmt.Errorf("%s: %s", p.name, p.said)
	}
	return nil
}
