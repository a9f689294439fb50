package fence

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A process that was being started while a program was copied has the copy open for
// writing until it becomes another program.
func TestAProgramThatIsStillOpenForWritingIsAwaited(t *testing.T) {
	dir := t.TempDir()
	spec := Spec{Bundle: filepath.Join(dir, "bundle"), Container: filepath.Join(dir, "container"), Env: []string{"PATH=/usr/bin:/bin"}}
	for _, d := range []string{spec.Bundle, spec.Container} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	spec.Path = filepath.Join(spec.Bundle, "program")
	f, err := os.OpenFile(spec.Path, os.O_WRONLY|os.O_CREATE, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("#!/bin/sh\nexit 7\n"); err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	spec.Stdin, spec.Stdout, spec.Stderr = null, null, null
	time.AfterFunc(100*time.Millisecond, func() { f.Close() })
	p, err := Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if e := p.Ending(); e.Exit != 7 {
		t.Errorf("it ended so: %+v", e)
	}
}
