package autostart

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// systemd keeps the service as a user unit, wanted by default.target: user
// managers have no multi-user.target. A socket unit opens the owner's socket, so
// that a call that comes first starts the service.
type systemd struct{ Config }

func (s systemd) name() string { return "systemd" }

func (s systemd) unit() string { return "larder" + s.suffix("-") }

func (s systemd) folder() string {
	base := s.ConfigHome
	if !filepath.IsAbs(base) {
		base = filepath.Join(s.Home, ".config")
	}
	return filepath.Join(base, "systemd", "user")
}

func (s systemd) files() []file {
	w := words{Name: s.unit(), Program: s.Program, Data: s.Data, Socket: s.Dirs.OwnerSocket()}
	if s.Data == "" && filepath.IsAbs(s.DataHome) {
		w.XDGData = s.DataHome // the manager may know nothing of the shell's
	}
	at := filepath.Join(s.folder(), s.unit())
	return []file{{at + ".service", w.render("service")}, {at + ".socket", w.render("socket")}}
}

// PackagedUnit is the service unit of a system's package, for the program at this
// path and the default data directory. It comes without a socket unit: the
// socket's path depends on the person.
func PackagedUnit(program string) []byte {
	return words{Name: "larder", Program: program}.render("service")
}

const elsewhere = `In a container, or under another init, let your own supervisor run "larder service run".
After "su" or "sudo", log in properly instead, so that XDG_RUNTIME_DIR is set.
You need neither: each larder command starts the service when none runs.`

func (s systemd) available(ctx context.Context) error {
	out, err := s.Exec(ctx, "systemctl", "--user", "show-environment")
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return absent("there is no systemd here", elsewhere)
	}
	return absent("no systemd user manager runs for you: "+lastLine(out, err), elsewhere)
}

func (s systemd) verify(ctx context.Context) error {
	args := []string{"--user", "--man=no", "verify"}
	for _, f := range s.files() {
		args = append(args, f.path)
	}
	out, err := s.Exec(ctx, "systemd-analyze", args...)
	if err == nil || errors.Is(err, exec.ErrNotFound) || ctx.Err() != nil {
		return ctx.Err()
	}
	return wrong("check unit", s.files()[0].path, "systemd refuses it: "+lastLine(out, err), "please tell us, with this path and the version of systemd", nil)
}

func (s systemd) enable(ctx context.Context) error {
	for _, args := range [][]string{
		{"daemon-reload"}, {"reset-failed", s.unit() + ".*"},
		{"enable", s.unit() + ".socket", s.unit() + ".service"},
		{"restart", s.unit() + ".socket"}, {"start", s.unit() + ".service"},
	} {
		if err := s.call(ctx, "systemctl", append([]string{"--user"}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// remove removes the links of the targets too: without a manager nobody else does.
func (s systemd) remove(ctx context.Context) error {
	service, socket := s.unit()+".service", s.unit()+".socket"
	_, err := os.Lstat(s.files()[0].path)
	known := err == nil && s.available(ctx) == nil
	err = nil
	if known {
		err = s.call(ctx, "systemctl", "--user", "disable", "--now", socket, service)
	}
	err = errors.Join(err, removeFiles(filepath.Join(s.folder(), "default.target.wants", service), filepath.Join(s.folder(), "sockets.target.wants", socket),
		s.files()[0].path, s.files()[1].path))
	if known {
		err = errors.Join(err, s.call(ctx, "systemctl", "--user", "daemon-reload"))
	}
	return err
}

func (s systemd) start(ctx context.Context) error {
	return s.call(ctx, "systemctl", "--user", "start", s.unit()+".service")
}

func (s systemd) state(ctx context.Context) string {
	out, err := s.Exec(ctx, "systemctl", "--user", "show", "--property=ActiveState,SubState,UnitFileState,FragmentPath", s.unit()+".service")
	if err != nil {
		return lastLine(out, err)
	}
	said := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		said[key] = value
	}
	if said["FragmentPath"] == "" {
		return "not known to the user manager"
	}
	return said["UnitFileState"] + ", " + said["ActiveState"] + " (" + said["SubState"] + ")"
}

func (s systemd) logs(lines int, follow bool) []string {
	cmd := []string{"journalctl", "--user", "--unit", s.unit() + ".service", "--no-pager", "--lines", strconv.Itoa(lines)}
	if follow {
		cmd = append(cmd, "--follow")
	}
	return cmd
}
