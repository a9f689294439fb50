package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8/cwriter"

	"larder/asset"
	"larder/internal/localapi"
)

// view shows a person how an installation goes on.
type view interface {
	show(asset.Progress)
	// end clears what would stand in the way of what is printed next.
	end()
}

// occasion is what an installation is followed for.
type occasion int

const (
	// toReport: this command began it, and says how it ended, also if it came at once.
	toReport occasion = iota
	// toGoOn: something comes next, so only a wait that there was is told.
	toGoOn
)

// tells reports whether a view tells the end p. Where nothing was to be fetched and all is
// not well, the command alone does, with its fault.
func (o occasion) tells(p asset.Progress, waited bool) bool {
	well := p.Gate.Reason == nil || p.Gate.Reason.Code == asset.WhyReady
	return (waited || o == toReport) && (p.Count > 0 || well)
}

// reconnects is how often in a row a stream may break without a line.
const reconnects = 5

// follow shows how an installation or update goes on until its gate opens, and
// returns the last progress. It outlives a service that dies: the next one goes on.
// out gets the lines of --json.
func (c *cli) follow(ctx context.Context, api *localapi.Client, id asset.AppID, out io.Writer, o occasion) (last asset.Progress, err error) {
	v := c.view(out, o)
	defer v.end()
	for broken := 0; ; {
		for p, perr := range api.Progress(ctx, id) {
			if err = perr; err == nil {
				last, broken = p, 0
				v.show(p)
			}
		}
		if err == nil || ctx.Err() != nil || asset.CodeOf(err) != asset.CodeConnectionInvalid || broken == reconnects {
			return last, err
		}
		broken++
		pause(ctx, time.Duration(broken)*50*time.Millisecond)
		if api, err = c.service(ctx); err != nil {
			return last, err
		}
	}
}

func (c *cli) view(out io.Writer, o occasion) view {
	switch f, ok := terminal(c.err); {
	case c.json:
		return jsonLines{json.NewEncoder(out)}
	case c.quiet:
		return unseen{}
	case ok:
		return newBars(f, o)
	}
	return &plain{cli: c, now: time.Now, occasion: o}
}

// terminal gives the terminal behind w, if there is one.
func terminal(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && cwriter.IsTerminal(int(f.Fd()))
}

type jsonLines struct{ enc *json.Encoder }

func (j jsonLines) show(p asset.Progress) { _ = j.enc.Encode(p) }
func (jsonLines) end()                    {}

type unseen struct{}

func (unseen) show(asset.Progress) {}
func (unseen) end()                {}
