//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"larder/bench/meter"
	"larder/internal/site"
	"larder/internal/trust"
)

// maxConns is the keep-alive pool of a cache in front, say.
const maxConns = 1000

// wire counts the bytes of all connections.
type wire struct{ bytes atomic.Int64 }

type counted struct {
	net.Conn
	to *wire
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.to.bytes.Add(int64(n))
	return n, err
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.to.bytes.Add(int64(n))
	return n, err
}

func (w *wire) client() *http.Client {
	dialer := net.Dialer{}
	return &http.Client{Transport: &http.Transport{MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: maxConns, DisableCompression: true,
		DialContext: func(ctx context.Context, network, at string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, at)
			return counted{c, w}, err
		}}}
}

// idle is what a device asks that has seen the newest state of a signed site.
func idle(ctx context.Context, c *http.Client, url, tag string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "Larder")
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	resp, err := c.Do(req)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return resp, err
}

func timestampOf(s *server) string {
	return s.url + site.Prefix + site.AppPath(app, trust.TimestampFile)
}

// report is what the fleet saw. Times are milliseconds, sizes bytes.
type report struct {
	Checks    int     `json:"checks"`
	Seconds   float64 `json:"seconds"`
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	Max       float64 `json:"max"`
	PerCheck  float64 `json:"bytesPerCheck"`
	HostCPU   float64 `json:"hostCPU"` // seconds
	OwnCPU    float64 `json:"generatorCPU"`
	HostPeak  int64   `json:"hostRSS"`
	Failed    int64   `json:"failed"`
	Processor int     `json:"cores"`
}

func (r report) print() {
	verdict := func(ok bool) string {
		if ok {
			return "met"
		}
		return "MISSED"
	}
	fmt.Printf("  %d checks in %.1f s, %d failed\n", r.Checks, r.Seconds, r.Failed)
	fmt.Printf("  latency from the time they were due: p50 %.2f ms, p99 %.2f ms (target 50: %s), max %.0f ms\n", r.P50, r.P99, verdict(r.P99 <= 50 && r.Failed == 0), r.Max)
	fmt.Printf("  %.0f bytes and one request for a check, both ways, without TCP's own (target 1024: %s)\n", r.PerCheck, verdict(r.PerCheck <= 1024))
	fmt.Printf("  host: %.1f s of CPU on one core, RSS at most %d MiB (target 256: %s); this generator: %.1f s\n", r.HostCPU, r.HostPeak>>20, verdict(r.HostPeak <= 256<<20), r.OwnCPU)
}

// checks has each device ask when it is due, whatever became of those before it.
func checks(ctx context.Context, s *server, n int, span time.Duration) (r report, err error) {
	var w wire
	c, url := w.client(), timestampOf(s)
	first, err := idle(ctx, c, url, "")
	if err != nil {
		return r, err
	}
	tag := first.Header.Get("ETag")
	before, err := s.cpu()
	if err != nil {
		return r, err
	}
	w.bytes.Store(0)
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return r, err
	}
	ownBefore := seconds(own)
	waits, failed := make([]time.Duration, n), atomic.Int64{}
	var wg sync.WaitGroup
	start := time.Now()
	for i := range n {
		due := start.Add(time.Duration(int64(span) * int64(i) / int64(n)))
		if d := time.Until(due); d > 0 {
			time.Sleep(d)
		}
		wg.Go(func() {
			resp, err := idle(ctx, c, url, tag)
			if err != nil || resp.StatusCode != http.StatusNotModified {
				failed.Add(1)
			}
			waits[i] = time.Since(due)
		})
	}
	wg.Wait()
	r = report{Checks: n, Seconds: time.Since(start).Seconds(), PerCheck: float64(w.bytes.Load()) / float64(n), Failed: failed.Load(), Processor: runtime.NumCPU()}
	after, err := s.cpu()
	if err != nil {
		return r, err
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return r, err
	}
	r.HostCPU, r.OwnCPU = after-before, seconds(own)-ownBefore
	slices.Sort(waits)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
	r.P50, r.P99, r.Max = ms(waits[n/2]), ms(waits[n*99/100]), ms(waits[n-1])
	r.HostPeak, err = s.peak()
	return r, err
}

func seconds(u syscall.Rusage) float64 {
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// cost is server CPU in seconds, for one unit of work.
type cost = float64

// ratio compares what the host takes with what its peer takes: medians of five turns each, and the
// median of the ratios.
type ratio struct {
	Ours  float64 `json:"ours"`
	Peer  float64 `json:"peer"`
	Ratio float64 `json:"ratio"`
}

func compare(ours, peer *server, work func(*server) (cost, error)) (r ratio, err error) {
	var a, b, q []float64
	for range 5 {
		x, err := work(ours)
		if err != nil {
			return r, err
		}
		y, err := work(peer)
		if err != nil {
			return r, err
		}
		a, b, q = append(a, x), append(b, y), append(q, x/y)
	}
	return ratio{meter.Median(a), meter.Median(b), meter.Median(q)}, nil
}

// share does n pieces of work on eight connections, and gives the server's CPU for it.
func share(s *server, n int, do func(c *http.Client, i int) error) (float64, error) {
	var w wire
	c := w.client()
	defer c.CloseIdleConnections()
	before, err := s.cpu()
	if err != nil {
		return 0, err
	}
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for k := range errs {
		wg.Go(func() {
			for i := k; i < n && errs[k] == nil; i += len(errs) {
				errs[k] = do(c, i)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	after, err := s.cpu()
	return after - before, err
}

// ranges fetches a volume in ranges of a size, and gives the CPU for 1 GB.
func ranges(ctx context.Context, s *server, blob string, size, volume int64) (cost, error) {
	const length = 32 << 20
	cpu, err := share(s, int(volume/size), func(c *http.Client, i int) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+blob, nil)
		if err != nil {
			return err
		}
		at := int64(i) * size % length
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", at, at+size-1))
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != size || resp.StatusCode != http.StatusPartialContent {
			return fmt.Errorf("a range: %d, %d bytes, %w", resp.StatusCode, n, err)
		}
		return nil
	})
	return cpu * 1e9 / float64(volume), err
}

// rate gives the CPU for one idle check.
func rate(ctx context.Context, s *server, n int) (cost, error) {
	var w wire
	first, err := idle(ctx, w.client(), timestampOf(s), "")
	if err != nil {
		return 0, err
	}
	tag := first.Header.Get("ETag")
	cpu, err := share(s, n, func(c *http.Client, _ int) error {
		resp, err := idle(ctx, c, timestampOf(s), tag)
		if err == nil && resp.StatusCode != http.StatusNotModified {
			err = fmt.Errorf("an idle check: %d", resp.StatusCode)
		}
		return err
	})
	return cpu / float64(n), err
}
