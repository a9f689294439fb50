package main

import (
	"fmt"
	"os"
	"strings"
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
	// Total and foot stand below the files.
	orderTotal, orderFoot = 1 << 20, 1 << 21
)

// bars is the view on a terminal: a bar for each essential download that runs,
// one for the total, and at the foot what else is to be told: files, rate and time
// left, and the reason when no bytes move.
type bars struct {
	progress *mpb.Progress // nil until there is something to wait for
	occasion occasion
	refresh  chan any // each value draws the bars once
	out      *os.File
	started  time.Time
	total    *bar
	foot     *bar
	files    map[string]*bar
	failed   map[string]bool
	last     asset.Progress
}

// bar is one line; text changes as it goes on.
type bar struct {
	*mpb.Bar
	name, text atomic.Pointer[string]
}

func newBars(out *os.File, o occasion) *bars {
	return &bars{out: out, occasion: o, files: map[string]*bar{}, failed: map[string]bool{}}
}

func (v *bars) show(p asset.Progress) {
	if v.last = p; p.Done && v.progress == nil {
		return
	}
	if v.progress == nil {
		v.started = time.Now()
		v.refresh = make(chan any)
		v.progress = mpb.New(mpb.WithOutput(v.out), mpb.WithManualRefresh(v.refresh), mpb.WithWidth(64))
		v.total = v.add(mpb.BarStyle(), orderTotal, decor.WCSyncSpaceR)
		v.foot = v.add(mpb.NopStyle(), orderFoot, decor.WC{})
	}
	running := map[string]bool{}
	for _, d := range p.Downloads {
		switch {
		case d.State == asset.StateDownloading && len(running) < maxBars:
			running[d.UniqueIdentifier] = true
			b := v.files[d.UniqueIdentifier]
			if b == nil {
				b = v.add(mpb.BarStyle(), len(v.files), decor.WCSyncSpaceR)
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
	v.total.set(short(string(p.App), nameWide), amount(p), p.Bytes, p.TotalBytes)
	foot := strings.Join(pace(p), ", ")
	if p.Reason != nil {
		foot = strings.TrimPrefix(foot+"; "+clean(sentence(p.Reason)), "; ")
	}
	v.foot.set(foot, "", 0, 0)
	v.draw()
}

func (v *bars) draw() {
	select {
	case v.refresh <- time.Now():
	case <-time.After(time.Second): // the terminal is gone, and mpb with it
	}
}

// drawsToGo is how often bars must be drawn until those that were taken away are
// off the screen: mpb draws them twice more, and takes a value before it draws.
const drawsToGo = 4

// end takes the bars away, and leaves one line of them.
func (v *bars) end() {
	waited := v.progress != nil
	if waited {
		v.clear()
	}
	if !v.last.Done || !v.occasion.tells(v.last, waited) {
		return
	}
	line := total(v.last)
	if waited && v.last.Count > 0 {
		took := max(int64(time.Since(v.started).Round(time.Second)/time.Second), 1)
		line += fmt.Sprintf(", in %s (%s/s)", span(took), policy.Bytes(v.last.Bytes/took))
	}
	fmt.Fprintf(v.out, "larder: %s: %s\n", v.last.App, line)
}

func (v *bars) clear() {
	fmt.Fprint(v.out, "\r") // the terminal may have echoed Ctrl-C
	for _, b := range v.files {
		b.Abort(true)
	}
	v.total.Abort(true)
	v.foot.Abort(true)
	for range drawsToGo {
		v.draw()
	}
	v.progress.Wait()
}

func (v *bars) add(style mpb.BarFillerBuilder, order int, name decor.WC) *bar {
	b := &bar{}
	b.set("", "", 0, 0)
	word := func(p *atomic.Pointer[string], c decor.WC) decor.Decorator {
		return decor.Any(func(decor.Statistics) string { return *p.Load() }, c)
	}
	b.Bar = v.progress.New(0, style, mpb.BarPriority(order),
		mpb.PrependDecorators(word(&b.name, name)), mpb.AppendDecorators(word(&b.text, decor.WC{C: decor.DSyncSpaceR})))
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
