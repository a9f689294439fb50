package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"larder/asset"
)

func TestPlainViewTellsChangesOnceAndTotalsNowAndThen(t *testing.T) {
	var out strings.Builder
	now := time.Unix(0, 0)
	v := &plain{cli: &cli{err: &out}, now: func() time.Time { return now }}
	eta := int64(9)
	file := func(state asset.DownloadState, bytes int64, r *asset.Reason) []asset.DownloadStatus {
		return []asset.DownloadStatus{{Identifier: "a", UniqueIdentifier: "1", State: state, Bytes: bytes, TotalBytes: 1000, Reason: r}}
	}
	moving := asset.Progress{App: "org.x", Count: 1, Bytes: 100, TotalBytes: 1000, BytesPerSecond: 100, ETASeconds: &eta, Downloads: file(asset.StateDownloading, 100, nil)}
	offline := &asset.Reason{Message: "no network", Unblock: "wait"}
	still := asset.Progress{App: "org.x", Count: 1, Bytes: 100, TotalBytes: 1000, Reason: offline, Downloads: file(asset.StateWaiting, 100, offline)}
	for range 5 {
		v.show(moving)
		now = now.Add(time.Second)
	}
	v.show(still)
	v.show(still)
	v.show(asset.Progress{App: "org.x", Count: 1, Finished: 1, Bytes: 1000, TotalBytes: 1000, Done: true, Downloads: file(asset.StateFinished, 1000, nil)})
	want := `larder: a: begins, 100 B of 1.0 kB
larder: org.x: 100 B of 1.0 kB, 0 of 1 file, 100 B/s, 9 s left
larder: org.x: 100 B of 1.0 kB, 0 of 1 file, 100 B/s, 9 s left
larder: org.x: 100 B of 1.0 kB, 0 of 1 file, 100 B/s, 9 s left
larder: a: waits: no network
larder: org.x: no network (wait)
larder: org.x: 1.0 kB of 1.0 kB, 1 of 1 file
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
}

func TestNothingIsSaidWhereNothingWasWaitedFor(t *testing.T) {
	var out strings.Builder
	v := (&cli{err: &out}).view(nil, toGoOn)
	v.show(asset.Progress{App: "org.x", Done: true})
	if out.Len() > 0 {
		t.Errorf("said %q", out.String())
	}
}

var cameAtOnce = asset.Progress{App: "org.x", Count: 2, Finished: 2, Bytes: 10, TotalBytes: 10, Done: true}

func TestTheEndOfWhatWasBegunIsToldEvenIfItCameAtOnce(t *testing.T) {
	var out strings.Builder
	v := (&cli{err: &out}).view(nil, toReport)
	v.show(cameAtOnce)
	v.end()
	if got := out.String(); got != "larder: org.x: 10 B of 10 B, 2 of 2 files\n" {
		t.Errorf("said %q", got)
	}
}

func TestScreenIsNeverWiderOrHigherThanTheTerminal(t *testing.T) {
	got := fit([]string{"one", "two and more", "three", "four"}, 6, 3)
	if d := cmp.Diff([]string{"one", "two a…", "…"}, got); d != "" {
		t.Error(d)
	}
}

func TestDownloadsWithOneReasonAreUnblockedByOneLine(t *testing.T) {
	r := &asset.Reason{Message: "the disk is full", Unblock: "free some space"}
	a := asset.AppStatus{ID: "org.x", Downloads: []asset.DownloadStatus{
		{Identifier: "done", State: asset.StateFinished, Bytes: 1, TotalBytes: 1},
		{Identifier: "a", State: asset.StateWaiting, Reason: r}, {Identifier: "b", State: asset.StateWaiting, Reason: r},
		{Identifier: "runs", State: asset.StateDownloading, Essential: true, Bytes: 1, TotalBytes: 2},
	}}
	want := []string{
		"  runs  downloading  1 B of 2 B  50 %  essential",
		"  a     waiting      0 B                          the disk is full",
		"  b     waiting      0 B                          the disk is full",
		"    → free some space",
		"  … and 1 more: larder status org.x",
	}
	if d := cmp.Diff(want, downloadLines(a, 3)); d != "" {
		t.Error(d)
	}
}
