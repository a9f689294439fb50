package main

import (
	"fmt"
	"strings"
	"time"

	"larder/asset"
	"larder/internal/policy"
)

// totalEvery is how often a plain view tells the total.
const totalEvery = 2 * time.Second

// plain is the view where no terminal is: a line when a download starts or ends,
// when the reason changes, and now and then the total.
type plain struct {
	cli      *cli
	now      func() time.Time
	occasion occasion
	states   map[string]asset.DownloadState // nil until there is something to wait for
	reason   string
	told     time.Time
}

func (v *plain) show(p asset.Progress) {
	if p.Done {
		if v.occasion.tells(p, v.states != nil) {
			v.cli.note("%s: %s", p.App, total(p))
		}
		return
	}
	if v.states == nil {
		v.states = map[string]asset.DownloadState{}
	}
	for _, d := range p.Downloads {
		before, seen := v.states[d.UniqueIdentifier]
		if v.states[d.UniqueIdentifier] = d.State; before == d.State {
			continue
		}
		switch d.State {
		case asset.StateDownloading:
			v.cli.note("%s: begins, %s", d.Identifier, part(d))
		case asset.StateFinished:
			v.cli.note("%s: finished, %s", d.Identifier, policy.Bytes(d.Bytes))
		case asset.StateFailed:
			v.cli.note("%s: failed: %s", d.Identifier, why(d))
		case asset.StateWaiting:
			if seen {
				v.cli.note("%s: waits: %s", d.Identifier, why(d))
			}
		}
	}
	reason := ""
	if p.Reason != nil {
		reason = sentence(p.Reason)
	}
	if reason != v.reason && reason != "" {
		v.cli.note("%s: %s", p.App, reason)
	}
	v.reason = reason
	if now := v.now(); p.BytesPerSecond > 0 && now.Sub(v.told) >= totalEvery {
		v.told = now
		v.cli.note("%s: %s", p.App, total(p))
	}
}

func (*plain) end() {}

// part is how much of a download is here: "12 MB of 50 MB".
func part(d asset.DownloadStatus) string {
	if d.TotalBytes == 0 {
		return policy.Bytes(d.Bytes)
	}
	return policy.Bytes(d.Bytes) + " of " + policy.Bytes(d.TotalBytes)
}

func why(d asset.DownloadStatus) string {
	if d.Reason == nil {
		return "no reason is known"
	}
	return d.Reason.Message
}

// whole is why, with what would end it.
func whole(d asset.DownloadStatus) string {
	if d.Reason == nil {
		return why(d)
	}
	return sentence(d.Reason)
}

// total is the state of a whole installation: bytes, files, rate and time left.
func total(p asset.Progress) string {
	if p.Count == 0 && p.Done {
		return "nothing essential is to be fetched"
	}
	return strings.Join(append([]string{amount(p)}, pace(p)...), ", ")
}

// amount is how much of the essential bytes is here.
func amount(p asset.Progress) string {
	return policy.Bytes(p.Bytes) + " of " + about(p) + policy.Bytes(p.TotalBytes)
}

// pace is what total says beside the bytes.
func pace(p asset.Progress) []string {
	var parts []string
	if p.Count > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s", p.Finished, counted(p.Count, "file")))
	}
	if p.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", p.Failed))
	}
	if !p.Done && p.BytesPerSecond > 0 {
		parts = append(parts, policy.Bytes(p.BytesPerSecond)+"/s")
	}
	if !p.Done && p.ETASeconds != nil {
		parts = append(parts, span(*p.ETASeconds)+" left")
	}
	return parts
}

func about(p asset.Progress) string {
	if p.Estimated {
		return "about "
	}
	return ""
}
