package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"larder/asset"
	"larder/internal/policy"
	"larder/internal/publish"
	packsite "larder/internal/site"
)

// A second app of the demo has no extension; its one asset pack is changed by its author.
const (
	packsApp = asset.AppID("example.larder.packs")
	levelID  = "level"
	mapSize  = 6 << 20
	places   = 20 // that the author changes
)

const levelJSON = `{"assetPackID": "level", "downloadPolicy": {"essential": {"installationEventTypes": ["firstInstallation"]}},
 "fileSelectors": [{"directory": "level"}], "platforms": []}
`

// shop delivers a site on loopback, and counts the bytes of blobs that it sends.
type shop struct {
	url    string
	server *http.Server
	root   *os.Root
	sent   atomic.Int64
}

func openShop(dir string) (*shop, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	s := &shop{url: "http://" + ln.Addr().String(), root: root}
	files := packsite.Handler(root)
	s.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/blobs/") {
			w = tally{w, &s.sent}
		}
		files.ServeHTTP(w, r)
	})}
	go func() { _ = s.server.Serve(ln) }() // ends with close
	return s, nil
}

func (s *shop) close() {
	_ = s.server.Close()
	_ = s.root.Close()
}

type tally struct {
	http.ResponseWriter
	sent *atomic.Int64
}

func (t tally) Write(b []byte) (int, error) {
	n, err := t.ResponseWriter.Write(b)
	t.sent.Add(int64(n))
	return n, err
}

// update shows how a new version of an asset pack comes to a device that has the old one.
func (w *world) update(ctx context.Context) error {
	dir := filepath.Join(w.dir, "author")
	level := filepath.Join(dir, "level")
	if err := os.MkdirAll(level, 0o755); err != nil {
		return err
	}
	manifest, folder := filepath.Join(dir, "level.json"), filepath.Join(dir, "site")
	if err := os.WriteFile(manifest, []byte(levelJSON), 0o644); err != nil {
		return err
	}
	if err := fill(filepath.Join(level, "map"), mapSize, 0o644, rand.NewChaCha8([32]byte{1})); err != nil {
		return err
	}
	s, err := openShop(folder)
	if err != nil {
		return err
	}
	defer s.close()
	w.sayf("\nAnother app keeps its files in an asset pack, which its author publishes onto a site, a plain folder:\n")
	if _, err := w.publish(ctx, manifest, folder); err != nil {
		return err
	}
	bundle := filepath.Join(w.dir, "Packs.app")
	if err := writePacksBundle(bundle, w.program, s.url); err != nil {
		return err
	}
	w.sayf("$ larder app install --wait %s", bundle)
	if err := w.run(ctx, "app", "install", "--wait", bundle); err != nil {
		return err
	}
	first := s.sent.Swap(0)
	if err := change(filepath.Join(level, "map")); err != nil {
		return err
	}
	w.sayf("\nThe author changes the level in %d places, all over it.\n", places)
	told, err := w.publish(ctx, manifest, folder)
	if err != nil {
		return err
	}
	w.sayf("$ larder assets ensure --latest %s %s", packsApp, levelID)
	if err := w.run(ctx, "assets", "ensure", "--latest", string(packsApp), levelID); err != nil {
		return err
	}
	w.sayf("  The first version took %s; the second %s, by a delta. Without the delta it would have been %s.",
		policy.Bytes(first), policy.Bytes(s.sent.Load()), policy.Bytes(told.Without))
	return nil
}

// publish lets the author publish, and tells what the update costs, if it is one.
func (w *world) publish(ctx context.Context, manifest, folder string) (u publish.Update, err error) {
	args := []string{"publish", manifest, "--to", folder, "--app", string(packsApp)}
	w.sayf("$ larder %s", strings.Join(args, " "))
	var out bytes.Buffer
	cmd := w.command(ctx, append(args, "--json")...)
	cmd.Stdout, cmd.Stderr = &out, w.errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return u, ctx.Err()
		}
		return u, fmt.Errorf("larder publish: %w", err)
	}
	var done publish.Report
	if err := json.Unmarshal(out.Bytes(), &done); err != nil {
		return u, err
	}
	for _, row := range done.Packs {
		w.sayf("  %s: version %d, %s", row.ID, row.Version, policy.Bytes(row.Size))
		for _, u = range row.Updates {
			w.sayf("  A device with version %d is to fetch %s.", u.From, policy.Bytes(u.Download))
		}
	}
	return u, nil
}

// change puts some bytes into a file, at places all over it.
func change(name string) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var next []byte
	for i := range places {
		next = append(next, old[i*len(old)/places:(i+1)*len(old)/places]...)
		next = fmt.Appendf(next, "a tree at %d", i)
	}
	return os.WriteFile(name, next, 0o644)
}
