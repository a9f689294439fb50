package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"larder/asset"
	"larder/internal/policy"
)

// app is the demo app: it looks at what it was stocked with, proves it, and
// watches the rest come in.
type app struct {
	loader
	out    io.Writer
	live   bool // out is a terminal
	status func(context.Context) (asset.Status, error)
}

const (
	folders  = 8                      // told one by one
	look     = 100 * time.Millisecond // between two looks at what has come
	patience = 30 * time.Second       // without anything new
)

func (a app) run(ctx context.Context) error {
	began := time.Now()
	path := filepath.Join(a.container, manifestName)
	m, err := readManifest(path)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("my container is empty: I was opened before anything came")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "  Hello. I am the demo app, process %d, and this was here before me:\n", os.Getpid())
	a.list(m)
	if err := a.prove(m, path); err != nil {
		return err
	}
	count, bytes := m.total(func(e entry) bool { return later(e) && !a.present(e) })
	if count == 0 {
		fmt.Fprintf(a.out, "  Nothing is still to come: I am complete.\n")
		return nil
	}
	fmt.Fprintf(a.out, "  You could use me now. Still to come, behind me: %s, %s.\n", some(count, "download"), policy.Bytes(bytes))
	return a.await(ctx, m, began)
}

// list tells what is present, by folder, the largest first.
func (a app) list(m manifest) {
	type row struct {
		folder       string
		files, count int
		bytes        int64
	}
	rows := map[string]*row{}
	for _, e := range m.Assets {
		if !e.Essential || !a.present(e) {
			continue
		}
		r := rows[e.Folder]
		if r == nil {
			r = &row{folder: e.Folder}
			rows[e.Folder] = r
		}
		r.files, r.count, r.bytes = r.files+e.Files, r.count+1, r.bytes+e.Size
	}
	sorted := slices.SortedFunc(maps.Values(rows), func(x, y *row) int {
		if x.bytes != y.bytes {
			return int(min(max(y.bytes-x.bytes, -1), 1))
		}
		return len(x.folder) - len(y.folder)
	})
	for n, r := range sorted {
		if n == folders {
			fmt.Fprintf(a.out, "    and %s more\n", some(len(sorted)-n, "folder"))
			break
		}
		name := r.folder + "/"
		if r.folder == "" {
			name = "at the top"
		}
		fmt.Fprintf(a.out, "    %-16s %10s %10s\n", name, some(r.files, "file"), policy.Bytes(r.bytes))
	}
}

// prove checks every essential file against the manifest.
func (a app) prove(m manifest, path string) error {
	asked, err := os.Stat(path)
	if err != nil {
		return err
	}
	last := asked.ModTime()
	count, bytes := m.total(essential)
	for _, e := range m.Assets {
		if !e.Essential {
			continue
		}
		if err := verify(a.path(e), e); err != nil {
			return fmt.Errorf("an essential file is not as it should be: %w", err)
		}
		if st, err := os.Stat(a.path(e)); err == nil && st.ModTime().After(last) {
			last = st.ModTime()
		}
	}
	fmt.Fprintf(a.out, "  sha256 as the manifest says: all of %s. %s\n", some(count, "essential download"), onTheLine(bytes, last.Sub(asked.ModTime())))
	return nil
}

// onTheLine is "Their 86 MB took 3.4 s on the line (25 MB/s)."
func onTheLine(bytes int64, took time.Duration) string {
	if took < 10*time.Millisecond {
		return "Their " + policy.Bytes(bytes) + " came at once."
	}
	return fmt.Sprintf("Their %s took %s on the line (%s/s).", policy.Bytes(bytes), seconds(took), policy.Bytes(int64(float64(bytes)/took.Seconds())))
}

// await waits until all that comes later has come or failed, or nothing has moved
// for too long; then it says how things stand.
func (a app) await(ctx context.Context, m manifest, began time.Time) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	var before progress
	moved := time.Now()
	for {
		p := a.progress(ctx, m)
		if p.bytes != before.bytes || p.here != before.here {
			moved = time.Now()
		}
		before = p
		if p.here+p.failed == p.count || time.Since(moved) > patience {
			a.redraw("")
			a.close(p, time.Since(began))
			return nil
		}
		a.redraw(fmt.Sprintf("  %s %d of %d here, %s of %s", bar(p.bytes, p.total), p.here, p.count, policy.Bytes(p.bytes), policy.Bytes(p.total)))
		select {
		case <-ctx.Done():
			a.redraw("")
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// redraw shows one line in the place of the one before, on a terminal only.
func (a app) redraw(line string) {
	if a.live {
		fmt.Fprint(a.out, "\r\x1b[K"+line)
	}
}

func (a app) close(p progress, took time.Duration) {
	if p.here == p.count {
		fmt.Fprintf(a.out, "  I am complete, %s after I opened.\n", seconds(took))
		return
	}
	fmt.Fprintf(a.out, "  %d of %d are here, %s of %s, %s after I opened.\n", p.here, p.count, policy.Bytes(p.bytes), policy.Bytes(p.total), seconds(took))
	if p.why != "" {
		fmt.Fprintf(a.out, "  %s failed, the first because: %s\n", some(p.failed, "download"), p.why)
	}
}

// progress is how far the non-essential downloads are.
type progress struct {
	count, here, failed int
	bytes, total        int64
	why                 string // of the first that failed
}

func (a app) progress(ctx context.Context, m manifest) progress {
	var p progress
	onTheWay := map[string]asset.DownloadStatus{}
	if st, err := a.status(ctx); err == nil { // without a service, the files alone tell
		for _, s := range st.Apps {
			for _, d := range s.Downloads {
				onTheWay[d.Identifier] = d
			}
		}
	}
	p.count, p.total = m.total(later)
	for _, e := range m.Assets {
		d, known := onTheWay[e.Name]
		switch {
		case e.Essential:
		case a.present(e):
			p.here, p.bytes = p.here+1, p.bytes+e.Size
		case known && d.State == asset.StateFailed:
			if p.failed++; p.why == "" && d.Reason != nil {
				p.why = d.Reason.Message
			}
		case known:
			p.bytes += d.Bytes
		}
	}
	return p
}
