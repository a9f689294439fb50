package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"larder/internal/policy"
)

// gauge is the bar of a command that works through bytes on this machine. Its zero
// value and nil count and show nothing: so where no terminal is.
type gauge struct {
	done     atomic.Int64
	progress *mpb.Progress
	bar      *mpb.Bar
	began    time.Time
}

// gauge begins a bar, unless there is no terminal, or --quiet or --json was said.
func (c *cli) gauge(what string, total int64) *gauge {
	p := &gauge{began: time.Now()}
	f, ok := terminal(c.err)
	if !ok || c.quiet || c.json || total == 0 {
		return p
	}
	p.progress = mpb.New(mpb.WithOutput(f), mpb.WithWidth(64), mpb.WithAutoRefresh())
	p.bar = p.progress.New(total, mpb.BarStyle(), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(what+" ")),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			return fmt.Sprintf("%s of %s", policy.Bytes(min(p.done.Load(), total)), policy.Bytes(total))
		})))
	return p
}

func (p *gauge) add(n int) {
	if p == nil {
		return
	}
	if now := p.done.Add(int64(n)); p.bar != nil {
		p.bar.SetCurrent(now)
	}
}

// end takes the bar away.
func (p *gauge) end() {
	if p.progress != nil {
		p.bar.Abort(true)
		p.progress.Wait()
	}
}
