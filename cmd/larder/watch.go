package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
	"unicode/utf8"

	"github.com/vbauerster/mpb/v8/cwriter"

	"larder/asset"
	"larder/internal/localapi"
)

// watch shows what happens until ctx ends or the service does: redrawn on a
// terminal, else line by line.
func (c *cli) watch(ctx context.Context, api *localapi.Client, id asset.AppID) error {
	if f, ok := terminal(c.out); ok && !c.json {
		return c.redraw(ctx, api, id, f)
	}
	enc := json.NewEncoder(c.out)
	enc.SetEscapeHTML(false)
	for ev, err := range api.Events(ctx, id) {
		switch {
		case err != nil:
			return err
		case c.json:
			if err := enc.Encode(ev); err != nil {
				return err
			}
		case ev.Type == asset.EventSnapshot && ev.Status != nil:
			for _, line := range overview(*ev.Status, most(id)) {
				c.say("%s", line)
			}
		default:
			if line := eventLine(ev); line != "" {
				c.say("%s", line)
			}
		}
	}
	return nil
}

// redrawEvery bounds how often the screen, and the service, have work from a watcher.
const redrawEvery = 250 * time.Millisecond

// redraw asks for the whole status anew after events: reasons of those that wait
// change without events of their own.
func (c *cli) redraw(ctx context.Context, api *localapi.Client, id asset.AppID, f *os.File) error {
	changed := make(chan struct{}, 1)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		for _, err := range api.Events(ctx, id) {
			if err != nil {
				ended <- err
				return
			}
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}()
	screen := cwriter.New(f)
	for {
		select {
		case err := <-ended:
			return err
		case <-changed:
		}
		st, err := api.Status(ctx, id)
		if err != nil {
			return err
		}
		lines := overview(st, most(id))
		if width, height, err := cwriter.GetSize(int(f.Fd())); err == nil {
			lines = fit(lines, width, height-1)
		}
		for _, line := range lines {
			fmt.Fprintln(screen, clean(line))
		}
		if err := screen.Flush(len(lines)); err != nil {
			return err
		}
		if !pause(ctx, redrawEvery) {
			return ctx.Err()
		}
	}
}

// fit cuts lines to a screen, so that redrawing finds its place again.
func fit(lines []string, width, height int) []string {
	if height > 1 && len(lines) > height {
		lines = append(lines[:height-1:height-1], "…")
	}
	for i, line := range lines {
		if width > 1 && utf8.RuneCountInString(line) > width {
			lines[i] = string([]rune(line)[:width-1]) + "…"
		}
	}
	return lines
}
