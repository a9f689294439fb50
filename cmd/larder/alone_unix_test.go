//go:build unix

package main

import (
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Whoever waits for the end of a pipe, as a shell or a build machine does, waits for everyone who holds it.
func TestTheBackgroundServiceHoldsNothingOfWhoStartedIt(t *testing.T) {
	t.Setenv("LARDER_DATA", t.TempDir())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("larder", "status")
	cmd.ExtraFiles = []*os.File{w}
	out, err := cmd.CombinedOutput()
	t.Cleanup(func() { _ = exec.Command("larder", "service", "stop").Run() })
	if w.Close(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := r.SetReadDeadline(time.Now().Add(time.Minute)); err != nil { // only a broken one comes here
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%d bytes came, %v", n, err)
	}
}
