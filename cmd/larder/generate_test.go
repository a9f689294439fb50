package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAReleaseHasAPageForEachCommandAndCompletionsForEachShell(t *testing.T) {
	c := &cli{out: new(bytes.Buffer), err: new(bytes.Buffer)}
	root, dirs := c.root(), []string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		if err := generate(root, dir, time.Unix(1700000000, 0).UTC()); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"completions/larder.bash", "completions/_larder", "completions/larder.fish", "completions/larder.ps1",
		"systemd/larder.service", "man/larder.1", "man/larder-app-install.1", "man/larder-exit-codes.1"} {
		one, err := os.ReadFile(filepath.Join(dirs[0], name))
		other, err2 := os.ReadFile(filepath.Join(dirs[1], name))
		if err != nil || err2 != nil || len(one) == 0 || !bytes.Equal(one, other) {
			t.Errorf("%s is missing, empty or not the same twice: %v, %v", name, err, err2)
		}
	}
	pages, err := os.ReadDir(filepath.Join(dirs[0], "man"))
	if err != nil || len(pages) != len(documented(root)) {
		t.Errorf("%d pages for %d commands (%v)", len(pages), len(documented(root)), err)
	}
	page, _ := os.ReadFile(filepath.Join(dirs[0], "man", "larder-app-install.1"))
	for _, want := range []string{`.TH LARDER-APP-INSTALL 1 2023-11-14 `, `\-\-context CONTEXT`, ".SH COMMON OPTIONS", "larder launch ID"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page of \"app install\" lacks %q:\n%s", want, page)
		}
	}
}

func TestNoWordOfAHelpTextIsARequestOfMan(t *testing.T) {
	if got, want := roff(".TH x\n'so\n\\fB --data"), "\\&.TH x\n\\&'so\n\\efB \\-\\-data"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
