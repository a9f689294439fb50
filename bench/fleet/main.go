//go:build linux

// Command fleet measures a host as its devices load it (P13): the idle checks of 100,000 devices in a
// minute, and what delivery costs beside nginx. Host and nginx have one core to themselves, this
// program the others; its own CPU is told apart. All of it stays on loopback and ends by itself.
//
// It is run by "make bench-host" and is no part of the program.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"larder/internal/host/access"
	"larder/internal/host/publisher"
)

const app = "org.example.fleet"

type options struct {
	larder  string
	checks  int
	span    time.Duration
	volume  int64
	results string
}

func main() {
	var o options
	flag.StringVar(&o.larder, "larder", "bin/larder", "the program to measure")
	flag.IntVar(&o.checks, "checks", 100_000, "idle checks in all")
	flag.DurationVar(&o.span, "span", time.Minute, "time over which they come")
	flag.Int64Var(&o.volume, "volume", 1<<30, "bytes that are delivered to measure delivery")
	flag.StringVar(&o.results, "results", "results/host.json", "file to write")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 10*o.span+5*time.Minute)
	defer cancel()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func (o options) run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "larder-fleet-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	host, err := o.host(ctx, dir)
	if err != nil {
		return err
	}
	defer host.end()
	blob, err := stock(ctx, dir, host)
	if err != nil {
		return err
	}
	fmt.Printf("%d idle checks of a signed site in %s, open loop, at most %d connections\n", o.checks, o.span, maxConns)
	out := map[string]any{}
	fleet, err := checks(ctx, host, o.checks, o.span)
	if err != nil {
		return err
	}
	fleet.print()
	out["fleet"] = fleet
	nginx, err := o.nginx(ctx, dir)
	if err != nil {
		return err
	}
	if nginx == nil {
		fmt.Println("nginx is not installed: no comparison")
		return o.write(out)
	}
	defer nginx.end()
	for _, size := range []int64{1 << 20, 64 << 10} {
		r, err := compare(host, nginx, func(s *server) (cost, error) { return ranges(ctx, s, blob, size, o.volume) })
		if err != nil {
			return err
		}
		fmt.Printf("server CPU for 1 GB in ranges of %4d KiB: host %.0f ms, nginx %.0f ms, ratio %.2f\n", size>>10, r.Ours*1e3, r.Peer*1e3, r.Ratio)
		out[fmt.Sprintf("cpuPerGB%dKiB", size>>10)] = r
	}
	r, err := compare(host, nginx, func(s *server) (cost, error) { return rate(ctx, s, o.checks/4) })
	if err != nil {
		return err
	}
	fmt.Printf("idle checks for a second of server CPU: host %.0f, nginx %.0f, ratio %.2f\n", 1/r.Ours, 1/r.Peer, 1/r.Ratio)
	out["checksPerCPUSecond"] = map[string]float64{"ours": 1 / r.Ours, "peer": 1 / r.Peer, "ratio": 1 / r.Ratio}
	return o.write(out)
}

func (o options) write(out any) error {
	text, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.results), 0o755); err != nil {
		return err
	}
	return os.WriteFile(o.results, append(text, '\n'), 0o644)
}

// host starts a host on the first core.
func (o options) host(ctx context.Context, dir string) (*server, error) {
	larder, err := filepath.Abs(o.larder)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "taskset", "-c", "0", larder, "host", "--dir", filepath.Join(dir, "host"), "--listen", "127.0.0.1:0", "--json")
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd}
	line, err := bufio.NewReader(pipe).ReadBytes('\n')
	if err != nil {
		s.end()
		return nil, fmt.Errorf("the host did not start: %w", err)
	}
	var at struct {
		URL string `json:"url"`
		Key string `json:"apiKey"`
	}
	if err := json.Unmarshal(line, &at); err != nil {
		s.end()
		return nil, err
	}
	s.url, s.secret = at.URL, at.Key
	return s, nil
}

// stock publishes a pack of some size, and gives the path of its blob.
func stock(ctx context.Context, dir string, host *server) (blob string, err error) {
	tree := filepath.Join(dir, "tree")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return "", err
	}
	data := make([]byte, 32<<20)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(data) // it never fails
	if err := os.WriteFile(filepath.Join(tree, "data.bin"), data, 0o644); err != nil {
		return "", err
	}
	manifest := filepath.Join(dir, "level.json")
	if err := os.WriteFile(manifest, []byte(`{"assetPackID": "level", "downloadPolicy": {"onDemand": {}}, "fileSelectors": [{"directory": "tree"}], "platforms": []}`), 0o644); err != nil {
		return "", err
	}
	key, err := access.ParseSecret(host.secret)
	if err != nil {
		return "", err
	}
	to, err := publisher.At(host.url, key)
	if err != nil {
		return "", err
	}
	scratch := filepath.Join(dir, "scratch")
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return "", err
	}
	if _, err := to.Publish(ctx, publisher.Options{App: app, Context: "production", Inputs: []string{manifest}, Scratch: scratch}); err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(dir, "host", "site", "blobs", "*", "*"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%d blobs, %w", len(found), err)
	}
	_, blob, _ = strings.Cut(found[0], filepath.Join("host", "site")+string(filepath.Separator))
	return "/larder/v1/" + filepath.ToSlash(blob), nil
}
