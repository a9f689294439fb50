package main

import (
	"io"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"larder/asset"
)

var cursorUp = regexp.MustCompile(`^\x1b\[(\d+)A\x1b\[J`)

// screen gives what a terminal shows after text, of which bars use little.
func screen(t *testing.T, text string) string {
	t.Helper()
	var lines []string
	for text = strings.ReplaceAll(text, "\r", ""); text != ""; {
		if up := cursorUp.FindStringSubmatch(text); up != nil {
			n, _ := strconv.Atoi(up[1])
			lines, text = lines[:len(lines)-n], text[len(up[0]):]
			continue
		}
		line, rest, whole := strings.Cut(text, "\n")
		if !whole {
			t.Fatalf("the last line does not end: %q", line)
		}
		lines, text = append(lines, strings.TrimRight(line, " ")), rest
	}
	return strings.Join(lines, "\n")
}

// shown lets draw use bars, and gives what is on the screen then.
func shown(t *testing.T, o occasion, draw func(v *bars)) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a Windows console is moved by calls, not by text")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text := make(chan string)
	go func() {
		all, _ := io.ReadAll(r)
		text <- string(all)
	}()
	draw(newBars(w, o))
	w.Close()
	return screen(t, <-text)
}

func barsProgress() asset.Progress {
	eta := int64(9)
	return asset.Progress{App: "org.x", Count: 3, Failed: 1, Bytes: 150, TotalBytes: 2000, BytesPerSecond: 100, ETASeconds: &eta,
		Downloads: []asset.DownloadStatus{
			{Identifier: "a\x1b.bin", UniqueIdentifier: "1", State: asset.StateDownloading, Bytes: 100, TotalBytes: 1000},
			{Identifier: "b.bin", UniqueIdentifier: "2", State: asset.StateDownloading, Bytes: 50, TotalBytes: 1000},
			{Identifier: "c.bin", UniqueIdentifier: "3", State: asset.StateFailed, Reason: &asset.Reason{Message: "it is gone"}},
		}}
}

func TestBarsShowWhatRunsAndTheTotal(t *testing.T) {
	during := shown(t, toReport, func(v *bars) {
		for range 3 {
			v.show(barsProgress())
		}
		v.progress.Shutdown()
	})
	for _, want := range []string{"larder: c.bin: failed: it is gone\n", "a\ufffd.bin ", "100 B of 1.0 kB", "b.bin ", "150 B of 2.0 kB", "0 of 3 files, 1 failed, 100 B/s, 9 s left"} {
		if !strings.Contains(during, want) {
			t.Errorf("%q is not on the screen:\n%s", want, during)
		}
	}
}

func TestBarsLeaveOneLineWhenTheGateOpens(t *testing.T) {
	after := shown(t, toReport, func(v *bars) {
		v.show(barsProgress())
		v.show(asset.Progress{App: "org.x", Count: 3, Finished: 2, Failed: 1, Bytes: 2000, TotalBytes: 2000, Done: true})
		v.end()
	})
	want := "larder: c.bin: failed: it is gone\nlarder: org.x: 2.0 kB of 2.0 kB, 2 of 3 files, 1 failed, in 1 s (2.0 kB/s)"
	if after != want {
		t.Errorf("on the screen is\n%s\nwant\n%s", after, want)
	}
}

func TestBarsLeaveNothingWhenTheWaitingIsInterrupted(t *testing.T) {
	for range 20 {
		if after := shown(t, toReport, func(v *bars) { v.show(barsProgress()); v.end() }); after != "larder: c.bin: failed: it is gone" {
			t.Fatalf("on the screen is\n%s", after)
		}
	}
}

func TestBarsStayAwayWhenThereIsNothingToWaitFor(t *testing.T) {
	if after := shown(t, toGoOn, func(v *bars) { v.show(cameAtOnce); v.end() }); after != "" {
		t.Errorf("on the screen is\n%s", after)
	}
}

func TestWithoutBarsTheEndOfWhatWasBegunIsToldAllTheSame(t *testing.T) {
	fault := asset.Gate{Open: true, Reason: &asset.Reason{Code: asset.WhyManifest}}
	for want, p := range map[string]asset.Progress{
		"larder: org.x: 10 B of 10 B, 2 of 2 files":         cameAtOnce,
		"larder: org.x: nothing essential is to be fetched": {App: "org.x", Done: true},
		"": {App: "org.x", Done: true, Gate: fault}, // the command itself says what is wrong
	} {
		if after := shown(t, toReport, func(v *bars) { v.show(p); v.end() }); after != want {
			t.Errorf("on the screen is\n%s\nwant\n%s", after, want)
		}
	}
}
