package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"larder/asset"
	"larder/internal/policy"
)

const (
	maxBars  = 10 // downloads shown at once; more run only with settings nobody has
	nameWide = 32
	// below is where a line stands that is neither new nor ended: total and reason last.
	orderTotal, orderReason = 1 << 20, 1 << 21
)

// bars is the view on a terminal: a bar for each essential download that runs,
// one for the total, and a line with the reason when no bytes move.
type bars struct {
	progress *mpb.Progress // nil until there is something to wait for
	out      *os.File
	started  time.Time
	total    *bar
	reason   *bar
	files    map[string]*bar
	failed   map[string]bool
	last     asset.Progress
}

// bar is one line; text changes as it goes on.
type bar struct {
	*mpb.Bar
	name, text atomic.Pointer[string]
}

func newBars(out *os.File) *bars {
	return &bars{out: out, files: map[string]*bar{}, failed: map[string]bool{}}
}

func (v *bars) show(p asset.Progress) {
	if v.last = p; p.Done && v.progress == nil {
		return
	}
	if v.progress == nil {
		v.started = time.Now()
		v.progress = mpb.New(mpb.WithOutput(v.out), mpb.WithRefreshRate(100*time.Millisecond), mpb.WithWidth(64))
		v.total = v.add(mpb.BarStyle(), orderTotal)
		v.reason = v.add(mpb.NopStyle(), orderReason)
	}
	running := map[string]bool{}
	for _, d := range p.Downloads {
		switch {
		case d.State == asset.StateDownloading && len(running) < maxBars:
			running[d.UniqueIdentifier] = true
			b := v.files[d.UniqueIdentifier]
			if b == nil {
				b = v.add(mpb.BarStyle(), len(v.files))
				v.files[d.UniqueIdentifier] = b
			}
			b.set(short(clean(d.Identifier), nameWide), part(d), d.Bytes, d.TotalBytes)
		case d.State == asset.StateFailed && !v.failed[d.UniqueIdentifier]:
			v.failed[d.UniqueIdentifier] = true
			fmt.Fprintf(v.progress, "larder: %s: failed: %s\n", clean(d.Identifier), clean(why(d)))
		}
	}
	for id, b := range v.files {
		if !running[id] {
			b.Abort(true)
			delete(v.files, id)
		}
	}
	v.total.set(short(string(p.App), nameWide), total(p), p.Bytes, p.TotalBytes)
	reason := ""
	if p.Reason != nil {
		reason = sentence(p.Reason)
	}
	v.reason.set("  "+clean(reason), "", 0, 0)
}

// end takes the bars away, and leaves one line of them.
func (v *bars) end() {
	if v.progress == nil {
		return
	}
	for _, b := range v.files {
		b.Abort(true)
	}
	v.total.Abort(true)
	v.reason.Abort(true)
	v.progress.Wait()
	if v.last.Done {
		took := max(int64(time.Since(v.started).Round(time.Second)/time.Second), 1)
		fmt.Fprintf(v.out, "larder: %s: %s, in %s (%s/s)\n", v.last.App, total(v.last), span(took), policy.Bytes(v.last.Bytes/took))
	}
}

func (v *bars) add(style mpb.BarFillerBuilder, order int) *bar {
	b := &bar{}
	b.set("", "", 0, 0)
	word := func(p *atomic.Pointer[string], c decor.WC) decor.Decorator {
		return decor.Any(func(decor.Statistics) string { return *p.Load() }, c)
	}
	b.Bar = v.progress.New(0, style, mpb.BarPriority(order),
		mpb.PrependDecorators(word(&b.name, decor.WCSyncSpaceR)), mpb.AppendDecorators(word(&b.text, decor.WC{C: decor.DSyncSpaceR})))
	return b
}

func (b *bar) set(name, text string, bytes, total int64) {
	b.name.Store(&name)
	b.text.Store(&text)
	if b.Bar != nil && total > 0 {
		b.SetTotal(total, false)
		b.SetCurrent(min(bytes, total))
	}
}
