//go:build unix

package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// tap is a way to a server on which all is written down that comes from its callers.
type tap struct {
	l  net.Listener
	mu sync.Mutex
	in []*bytes.Buffer // by connection
}

// tap: from here on $TAP is a way to $SERVE on which all is written down that callers say.
func tapCommand(ts *testscript.TestScript, _ bool, _ []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	t := &tap{l: l}
	to := strings.TrimPrefix(ts.Getenv("SERVE"), "http://")
	ts.Defer(func() { l.Close() })
	go t.serve(to)
	worldOf(ts).tap = t
	ts.Setenv("TAP", "http://"+l.Addr().String())
}

func (t *tap) serve(to string) {
	for {
		from, err := t.l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			from.Close()
			continue
		}
		said := &bytes.Buffer{}
		t.mu.Lock()
		t.in = append(t.in, said)
		t.mu.Unlock()
		go func() { // until one side hangs up
			_, _ = io.Copy(from, server)
			from.Close()
		}()
		go func() {
			_, _ = io.Copy(io.MultiWriter(server, writer(func(b []byte) { t.mu.Lock(); defer t.mu.Unlock(); said.Write(b) })), from)
			server.Close()
		}()
	}
}

type writer func([]byte)

func (w writer) Write(b []byte) (int, error) { w(b); return len(b), nil }

// sayable is every line that a device may say: where a file lies, which part of it is wanted, what is known already by
// its content. Nothing that one device has and another has not.
var sayable = regexp.MustCompile(`^(GET /larder/v1/(apps/org\.example\.game/(production/manifest\.json|trust/[0-9a-z./-]+)|blobs/[0-9a-f]{2}/[0-9a-f]{64}) HTTP/1\.1` +
	`|Host: 127\.0\.0\.1:[0-9]+|User-Agent: Larder/1|Accept-Encoding: (identity|gzip)|Range: bytes=[0-9]+-[0-9]*|If-(None-Match|Range|Match): "[0-9a-f-]+"|Connection: (close|keep-alive))$`)

// tapped FILE: what was said since the last time is sayable; each line of it that is new is written to FILE, in order.
func tappedCommand(ts *testscript.TestScript, _ bool, args []string) {
	t := worldOf(ts).tap
	t.mu.Lock()
	defer t.mu.Unlock()
	var lines []string
	for _, said := range t.in {
		for line := range strings.SplitSeq(said.String(), "\r\n") {
			if line != "" && !sayable.MatchString(line) {
				ts.Fatalf("a device says %q", line)
			}
			lines = append(lines, line)
		}
	}
	t.in = nil
	slices.Sort(lines)
	lines = slices.Compact(lines)
	if len(lines) < 8 {
		ts.Fatalf("the device said only %q", lines)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}
