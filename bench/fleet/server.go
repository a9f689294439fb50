//go:build linux

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// server is a process that is measured.
type server struct {
	cmd    *exec.Cmd
	url    string
	secret string
}

func (s *server) end() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed
}

// ticks is how many of the kernel's clock ticks a second has, on all Linux there is.
const ticks = 100

// cpu is the time that the process had, user and system, in seconds.
func (s *server) cpu() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err1 := strconv.ParseFloat(f[11], 64)
	system, err2 := strconv.ParseFloat(f[12], 64)
	if err1 != nil || err2 != nil {
		return 0, fmt.Errorf("the kernel says %q", text)
	}
	return (user + system) / ticks, nil
}

// peak is the most memory that it had at once, in bytes.
func (s *server) peak() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("the kernel does not tell")
}

// nginx delivers an export of the same site from the same core; nil where it is not installed.
func (o options) nginx(ctx context.Context, dir string) (*server, error) {
	if _, err := exec.LookPath("nginx"); err != nil {
		return nil, nil
	}
	if out, err := exec.CommandContext(ctx, o.larder, "host", "export", "--dir", filepath.Join(dir, "host"), "--to", filepath.Join(dir, "www", "larder", "v1")).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("export: %w\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	at := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/nginx.pid; error_log stderr crit;
events { worker_connections 4096; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s; server { listen %[2]s; root %[1]s/www; } }`, dir, at)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "taskset", "-c", "0", "nginx", "-c", config)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, url: "http://" + at}
	for range 100 {
		if c, err := net.Dial("tcp", at); err == nil {
			return s, c.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.end()
	return nil, fmt.Errorf("nginx does not answer")
}
