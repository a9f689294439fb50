// Package autostart makes the background service a part of a person's login: a
// user unit and a socket unit of systemd, an agent of launchd, or a task of the
// Windows Task Scheduler, from templates of our own.
//
// It promises that Install and Uninstall may be repeated, write nothing outside
// the person's own configuration, need no privileges, and that units of different
// data directories do not meet. It does not run the service, does not ask whether
// it answers (its caller does), and starts nothing at boot. The command line
// calls it: "larder service install" and its siblings; "make dist" takes the unit
// of the Debian package from it.
package autostart

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"unicode"

	"larder/asset"
	"larder/internal/dirs"
	"larder/internal/fsx"
)

// Config says what is to start, and for whom. Program, Dirs and Home are
// required.
type Config struct {
	Program string // absolute path of the larder binary
	Data    string // what --data was; empty for the system's own place
	Dirs    dirs.Dirs
	Home    string // the person's home folder
	User    string // who logs in, as Windows writes it: DOMAIN\name
	UID     int
	// ConfigHome and DataHome are XDG_CONFIG_HOME and XDG_DATA_HOME, where set.
	ConfigHome, DataHome string
	// Exec runs a program of the system and gives all that it printed; nil runs it
	// really. The error is an *exec.ExitError when the program ran and failed.
	Exec func(ctx context.Context, name string, args ...string) ([]byte, error)
}

// Login is the entry of one data directory in what starts at a person's login.
type Login struct {
	config Config
	keeper keeper
}

// keeper is the system's own keeper of services.
type keeper interface {
	name() string
	files() []file
	// available is nil when the keeper can be spoken to.
	available(ctx context.Context) error
	// verify lets the keeper's own tools judge the written files.
	verify(ctx context.Context) error
	// enable makes the written files count, now and at each login, and starts the service.
	enable(ctx context.Context) error
	// remove takes back enable and removes the files, as far as the keeper can be
	// spoken to. It may find nothing.
	remove(ctx context.Context) error
	start(ctx context.Context) error
	// state is the keeper's view in a few words.
	state(ctx context.Context) string
	// logs is the command that prints the last lines; nil when the log is a file.
	logs(lines int, follow bool) []string
}

type file struct {
	path string
	text []byte
}

// New returns the entry for the named operating system (a GOOS). Systems
// without a keeper that we know are refused (56, exit code 69).
func New(goos string, c Config) (*Login, error) {
	if c.Exec == nil {
		c.Exec = run
	}
	for _, s := range []string{c.Program, c.Data, c.Dirs.OwnerSocket(), c.DataHome, c.Home} {
		if strings.ContainsFunc(s, unicode.IsControl) {
			return nil, wrong("name what starts at login", s, "its path holds a control character", "use a folder with a plainer name", nil)
		}
	}
	switch goos {
	case "linux":
		return &Login{c, systemd{c}}, nil
	case "darwin":
		return &Login{c, launchd{c}}, nil
	case "windows":
		return &Login{c, scheduler{c}}, nil
	}
	return nil, absent("no keeper of services is known for "+goos, "let your system's own supervisor run \"larder service run\"")
}

// Keeper names who starts the service: "systemd", "launchd" or "Task Scheduler".
func (l *Login) Keeper() string { return l.keeper.name() }

// Files are the paths that Install writes.
func (l *Login) Files() []string {
	var out []string
	for _, f := range l.keeper.files() {
		out = append(out, f.path)
	}
	return out
}

// Installed reports whether the entry is there.
func (l *Login) Installed() bool {
	_, err := os.Lstat(l.Files()[0])
	return err == nil
}

// Available is nil when the keeper can be spoken to, and else says what to do
// (56, exit code 69): there is none in most containers.
func (l *Login) Available(ctx context.Context) error { return l.keeper.available(ctx) }

// Install writes the entry, lets the keeper's own tools judge it, enables it and
// starts the service. No service may run on the data directory when it is called.
func (l *Login) Install(ctx context.Context) error {
	if err := l.keeper.available(ctx); err != nil {
		return err
	}
	info, err := os.Stat(l.config.Program)
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrInvalid
	}
	if err != nil || !filepath.IsAbs(l.config.Program) {
		return wrong("install service", l.config.Program, "it is no program that could be started", "name the larder binary by its absolute path", err)
	}
	for _, f := range l.keeper.files() {
		if old, err := os.ReadFile(f.path); err == nil && bytes.Equal(old, f.text) {
			continue
		}
		err := fsx.MkdirAll(fsx.OS(), filepath.Dir(f.path), 0o755)
		if err == nil {
			err = fsx.WriteFile(fsx.OS(), f.path, f.text, 0o644)
		}
		if err != nil {
			return wrong("install service", f.path, "it cannot be written", "check that the folder is yours", err)
		}
	}
	if err := l.keeper.verify(ctx); err != nil {
		return err
	}
	return l.keeper.enable(ctx)
}

// Uninstall disables and removes the entry, and stops a service that the keeper
// started. Without a keeper to speak to it removes the files alone.
func (l *Login) Uninstall(ctx context.Context) error { return l.keeper.remove(ctx) }

// Start lets the keeper start the service.
func (l *Login) Start(ctx context.Context) error { return l.keeper.start(ctx) }

// State is the keeper's view of the service in a few words.
func (l *Login) State(ctx context.Context) string {
	if err := l.keeper.available(ctx); err != nil {
		return asset.AsError(err).Message
	}
	return l.keeper.state(ctx)
}

// Logs is the command that prints the service's last lines, and then new ones
// when follow is set; nil when they are in Dirs.Log().
func (l *Login) Logs(lines int, follow bool) []string { return l.keeper.logs(lines, follow) }

func run(ctx context.Context, name string, args ...string) ([]byte, error) {
	return exec.CommandContext(ctx, name, args...).CombinedOutput()
}

// call runs one command of a keeper, whose words become the error's.
func (c Config) call(ctx context.Context, name string, args ...string) error {
	out, err := c.Exec(ctx, name, args...)
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return absent("\""+name+" "+strings.Join(args, " ")+"\" failed: "+lastLine(out, err), "see \"larder service logs\" and \"larder service status\"")
}

// suffix tells the entries of several data directories apart.
func (c Config) suffix(separator string) string {
	if c.Data == "" {
		return ""
	}
	return separator + dirs.Short(c.Data)
}

func removeFiles(paths ...string) error {
	var err error
	for _, path := range paths {
		if rerr := os.Remove(path); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, wrong("uninstall service", path, "it cannot be removed", "remove it yourself", rerr))
		}
	}
	return err
}

func lastLine(out []byte, err error) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return err.Error()
}

func wrong(op, subject, message, help string, cause error) error {
	return &asset.Error{Code: asset.CodeConfiguration, Op: op, Subject: subject, Message: message, Help: help, Err: cause}
}

func absent(message, help string) error {
	return &asset.Error{Code: asset.CodeConnectionInvalid, Op: "start service at login", Message: message, Help: help}
}
