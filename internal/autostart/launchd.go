package autostart

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// launchd keeps the service as an agent of the person's graphical session.
type launchd struct{ Config }

func (l launchd) name() string { return "launchd" }

func (l launchd) label() string { return "larder.service" + l.suffix(".") }

func (l launchd) domain() string { return "gui/" + strconv.Itoa(l.UID) }

func (l launchd) target() string { return l.domain() + "/" + l.label() }

func (l launchd) files() []file {
	w := words{Name: l.label(), Program: l.Program, Data: l.Data, Log: l.Dirs.Log()}
	return []file{{filepath.Join(l.Home, "Library", "LaunchAgents", l.label()+".plist"), w.render("agent")}}
}

func (l launchd) available(ctx context.Context) error {
	out, err := l.Exec(ctx, "launchctl", "print", l.domain())
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return absent("you have no graphical session here: "+lastLine(out, err),
		"log in at the screen, or let your own supervisor run \"larder service run\".\nEach larder command starts the service when none runs.")
}

func (l launchd) verify(ctx context.Context) error {
	path := l.files()[0].path
	out, err := l.Exec(ctx, "plutil", "-lint", path)
	if err == nil || errors.Is(err, exec.ErrNotFound) || ctx.Err() != nil {
		return ctx.Err()
	}
	return wrong("check agent", path, "plutil refuses it: "+lastLine(out, err), "please tell us, with this path", nil)
}

// enable tries to load the agent a few times: unloading the old one goes on for
// a while after launchctl has returned.
func (l launchd) enable(ctx context.Context) error {
	_, _ = l.Exec(ctx, "launchctl", "bootout", l.target()) // fails when it is not loaded
	if err := l.call(ctx, "launchctl", "enable", l.target()); err != nil {
		return err
	}
	for left := 5; ; left-- {
		err := l.call(ctx, "launchctl", "bootstrap", l.domain(), l.files()[0].path)
		if err == nil || left == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (l launchd) remove(ctx context.Context) error {
	var err error
	if _, unloaded := l.Exec(ctx, "launchctl", "print", l.target()); unloaded == nil {
		err = l.call(ctx, "launchctl", "bootout", l.target())
	}
	return errors.Join(err, removeFiles(l.files()[0].path))
}

func (l launchd) start(ctx context.Context) error {
	return l.call(ctx, "launchctl", "kickstart", l.target())
}

func (l launchd) state(ctx context.Context) string {
	out, err := l.Exec(ctx, "launchctl", "print", l.target())
	if err != nil {
		return "not loaded"
	}
	for line := range strings.Lines(string(out)) {
		if state, ok := strings.CutPrefix(strings.TrimSpace(line), "state = "); ok {
			return "loaded, " + state
		}
	}
	return "loaded"
}

func (l launchd) logs(int, bool) []string { return nil }
