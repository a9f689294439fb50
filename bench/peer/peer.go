// Package peer runs the tools that Larder's updates are compared with.
//
// It promises that each peer is at its best setting, that its result was proved
// equal to the new release before it counts, that what it cost was kept with the
// exact commands, and that a peer of the same version is not run twice on the same
// corpus. A peer that is not installed is left out and named. It knows nothing of
// Larder. The benchmark program calls it.
package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"larder/bench/meter"
)

// Peer is a way to bring a device from one release to the next. The scripts are
// bash; they run in a folder that holds old.tar and new.tar, the lists of changed
// and added files, and links "old" and "new" to the trees.
type Peer struct {
	Name    string
	Tool    string // to look for
	Version string // script that prints it
	Make    string // at the publisher
	Fetch   string // prints how many bytes the device fetches, unless Serve
	Apply   string // on the device; makes out.tar or the tree out
	Serve   bool   // Apply fetches from $URL, and what was served is what counts
	Note    string
}

// Cost of an update by a peer.
type Cost struct {
	Peer    string    `json:"peer"`
	Version string    `json:"version"`
	Bytes   int64     `json:"bytes"` // that a device fetches
	Make    meter.Use `json:"make"`
	Apply   meter.Use `json:"apply"`
	Command string    `json:"command"`
	Const   bool      `json:"constant,omitempty"` // from the literature, not measured here
}

// ErrMissing tells of a peer that is not installed.
var ErrMissing = errors.New("not installed")

// version says which peer is here.
func (p Peer) version(ctx context.Context) (string, error) {
	if _, err := exec.LookPath(p.Tool); err != nil {
		return "", ErrMissing
	}
	_, out, err := meter.Shell(ctx, "", nil, p.Version)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}

func (p Peer) command() string {
	lines := []string{p.Make, p.Fetch, p.Apply}
	var all []string
	for _, l := range lines {
		if l != "" {
			all = append(all, l)
		}
	}
	return strings.Join(all, "\n")
}

// patience ends a peer that got stuck; the slowest known takes a tenth of it on
// an idle machine.
const patience = 30 * time.Minute

func (p Peer) run(ctx context.Context, b *Bed) (c Cost, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	dir, err := b.folder()
	if err != nil {
		return c, err
	}
	defer os.RemoveAll(dir)
	env := b.env()
	var s *server
	if p.Serve {
		if s, err = serve(dir); err != nil {
			return c, err
		}
		defer s.close()
		env = append(env, "URL="+s.url)
	}
	if c.Make, _, err = meter.Shell(ctx, dir, env, p.Make); err != nil {
		return c, err
	}
	if p.Fetch != "" {
		_, out, err := meter.Shell(ctx, dir, env, p.Fetch)
		if err != nil {
			return c, err
		}
		if _, err := fmt.Sscan(string(bytes.TrimSpace(out)), &c.Bytes); err != nil {
			return c, fmt.Errorf("%q tells no number of bytes: %w", out, err)
		}
	}
	if p.Apply == "" {
		return c, nil
	}
	if c.Apply, _, err = meter.Shell(ctx, dir, env, p.Apply); err != nil {
		return c, err
	}
	if s != nil {
		c.Bytes = s.served()
	}
	return c, b.proof(ctx, dir)
}

// proof compares the result with the new release.
func (b *Bed) proof(ctx context.Context, dir string) error {
	script := "cmp out.tar new.tar"
	if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
		script = "diff -r --no-dereference out new/"
	}
	_, _, err := meter.Shell(ctx, dir, nil, script)
	if err != nil {
		err = fmt.Errorf("the result is not the new release: %w", err)
	}
	return err
}
