package demo

import (
	"context"
	"fmt"

	"larder/internal/policy"
)

func (w *world) sayStock(shown string, items []*item) {
	var m manifest
	files := 0
	for _, it := range items {
		m.Assets = append(m.Assets, it.entry)
		files += it.Files
	}
	firstCount, first := m.total(essential)
	secondCount, second := m.total(later)
	joined, programsOnly := "", ""
	if files > len(items) {
		joined = " (small files are joined by folder)"
	}
	if programs(items) {
		programsOnly = ", the programs"
	}
	w.sayf("  The assets are %s:\n  %s, %s, in %s%s.", shown, some(files, "file"), policy.Bytes(first+second), some(len(items), "download"), joined)
	w.sayf("    essential  %s, %s%s: the app cannot start without them", some(firstCount, "download"), policy.Bytes(first), programsOnly)
	if secondCount > 0 {
		w.sayf("    later      %s, %s: they may come while it runs", some(secondCount, "download"), policy.Bytes(second))
	}
}

// sayLeft names what is no part of the demo, if anything.
func (w *world) sayLeft(l left) {
	if l.unreadable > 0 {
		w.sayf("    left out   files that cannot be read: %s, the first: %s", thousands(l.unreadable), l.firstUnreadable)
	}
	if l.special > 0 {
		w.sayf("    left out   links and other things that are no plain files: %s", thousands(l.special))
	}
	if l.tooMuch > 0 {
		w.sayf("    left out   files that would make the demo a long one: %s, %s", thousands(l.tooMuch), policy.Bytes(l.tooMuchBytes))
	}
	if l.more {
		w.sayf("    left out   whatever comes after the first %s files", thousands(maxFiles))
	}
}

// farewell says what to try when everything is gone again.
func (w *world) farewell() {
	larder := w.spoken()
	w.sayf("\nTry next:")
	w.sayRows([][2]string{
		{larder + " demo --keep", "the same, and then look around while it runs"},
		{larder + " demo ~/Pictures", "with files of yours"},
		{"README.md", "stock an app of your own, in five minutes"},
	})
}

// keep leaves everything running until ctx ends.
func (w *world) keep(ctx context.Context) {
	larder := w.spoken()
	w.sayf("\nService and web server keep running until you press Ctrl-C. Try in another terminal:")
	w.sayRows([][2]string{
		{"export LARDER_DATA=" + w.dirs.Data, ""},
		{larder + " status", "how things stand"},
		{"rm -r $LARDER_DATA/groups/*/container/" + assetsName, "lose all assets"},
		{fmt.Sprintf("%s simulate update %s", larder, appID), "ask the extension"},
		{fmt.Sprintf("%s launch %s", larder, appID), "wait, and open"},
	})
	<-ctx.Done()
}

func (w *world) sayRows(rows [][2]string) {
	for _, line := range columns(rows) {
		w.sayf("%s", line)
	}
}
