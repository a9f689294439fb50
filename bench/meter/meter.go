// Package meter runs commands and tells what they took.
//
// It promises that the time of a pipeline is that of all its members, and that two
// things compared by [Pairs] take turns, so that a busy machine is unfair to both
// alike. It judges nothing. The benchmark program and its peers call it.
package meter

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"
)

// Use is what a run took. CPU is that of all processes of the run, user and system.
type Use struct {
	Wall float64 `json:"wall"` // seconds
	CPU  float64 `json:"cpu"`  // seconds
	RSS  int64   `json:"rss"`  // bytes, the peak of the largest process
}

// Shell runs a bash script in dir, with more environment, and returns its output.
// A member of a pipeline that fails makes it fail.
func Shell(ctx context.Context, dir string, env []string, script string) (Use, []byte, error) {
	return Run(ctx, dir, env, "bash", "-e", "-u", "-o", "pipefail", "-c", script)
}

// Run runs one command; its error comes with the end of what it complained about.
func Run(ctx context.Context, dir string, env []string, name string, args ...string) (Use, []byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), "LC_ALL=C"), env...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	began := time.Now()
	out, err := cmd.Output()
	u := Use{Wall: time.Since(began).Seconds()}
	if s := cmd.ProcessState; s != nil {
		u.CPU = (s.UserTime() + s.SystemTime()).Seconds()
		u.RSS = peak(s)
	}
	if err != nil {
		text := bytes.TrimSpace(complaint.Bytes())
		err = fmt.Errorf("%s: %w: %s", name, err, text[max(0, len(text)-500):])
	}
	return u, out, err
}

// Ratio compares two things that took turns.
type Ratio struct {
	Wall  float64 `json:"wall"` // median of the pairwise ratios
	CPU   float64 `json:"cpu"`
	Ours  Use     `json:"ours"` // medians
	Peer  Use     `json:"peer"`
	Pairs int     `json:"pairs"`
}

// Pairs runs both n times in turn, which of them first changing from pair to
// pair. Peaks of memory are the largest seen, not the median.
func Pairs(n int, ours, peer func(i int) (Use, error)) (Ratio, error) {
	var a, b []Use
	for i := range n {
		turns := []func() error{
			func() error { return take(&a, ours, i) },
			func() error { return take(&b, peer, i) },
		}
		if i%2 == 1 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return Ratio{}, err
			}
		}
	}
	return compare(a, b), nil
}

func take(all *[]Use, run func(int) (Use, error), i int) error {
	u, err := run(i)
	*all = append(*all, u)
	return err
}

func compare(a, b []Use) Ratio {
	wall := func(u Use) float64 { return u.Wall }
	cpu := func(u Use) float64 { return u.CPU }
	r := Ratio{Pairs: len(a), Wall: pairwise(a, b, wall), CPU: pairwise(a, b, cpu)}
	r.Ours, r.Peer = middle(a), middle(b)
	return r
}

func pairwise(a, b []Use, of func(Use) float64) float64 {
	var all []float64
	for i := range a {
		all = append(all, of(a[i])/of(b[i]))
	}
	return Median(all)
}

func middle(all []Use) (m Use) {
	var wall, cpu []float64
	for _, u := range all {
		wall, cpu, m.RSS = append(wall, u.Wall), append(cpu, u.CPU), max(m.RSS, u.RSS)
	}
	m.Wall, m.CPU = Median(wall), Median(cpu)
	return m
}

// Median of at least one number; of an even count, the mean of the middle two.
func Median(all []float64) float64 {
	s := slices.Sorted(slices.Values(all))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}
