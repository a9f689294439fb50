package main

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/autostart"
	"larder/internal/dirs"
)

func (c *cli) serviceInstallCommand() *cobra.Command {
	return withExits(&cobra.Command{
		Use: "install", Short: "Start the service at each login, and now", Args: takes(0, 0),
		Long: `Start the service at each login, and now: as a user unit of systemd with a socket, an agent
of launchd, or a task of the Windows Task Scheduler. Needs no privileges and may be repeated.
With --data or LARDER_DATA, the entry is for that data directory, beside those of others.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.installService(cmd.Context()) },
	}, exitData, exitUnavailable)
}

func (c *cli) installService(ctx context.Context) error {
	d, login, err := c.login()
	if err != nil {
		return err
	}
	if err := login.Available(ctx); err != nil {
		return err
	}
	if program, err := lastingProgram(); err == nil && passing(program) {
		return &asset.Error{Code: asset.CodeConfiguration, Op: "install service", Subject: program, Message: "\"go run\" removes this program when it ends",
			Help: "build it to a lasting place first: \"make build\", then \"bin/larder service install\""}
	}
	if runs, err := serviceRuns(d); err != nil {
		return err
	} else if runs {
		if err := c.stop(ctx); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(d.Data, 0o700); err != nil {
		return &asset.Error{Code: asset.CodeConfiguration, Op: "make data directory", Subject: d.Data, Message: "it cannot be made", Err: err,
			Help: "name another folder with --data or LARDER_DATA"}
	}
	if err := login.Install(ctx); err != nil {
		return err
	}
	for _, path := range login.Files() {
		c.note("wrote %s", path)
	}
	h, err := c.answers(ctx, d)
	if err != nil {
		return err
	}
	c.note("%s starts larder %s at each login; it runs now (pid %d)", login.Keeper(), h.Version, h.PID)
	return nil
}

func (c *cli) serviceUninstallCommand() *cobra.Command {
	return withExits(&cobra.Command{
		Use: "uninstall", Short: "No longer start the service at login, and stop it", Args: takes(0, 0),
		Long: "No longer start the service at login, and stop it. Apps and what was stocked for them stay.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, login, err := c.login()
			if err != nil {
				return err
			}
			was := login.Installed()
			if err := login.Uninstall(cmd.Context()); err != nil {
				return err
			}
			if was {
				c.note("the service no longer starts at login")
			} else {
				c.note("the service did not start at login")
			}
			return c.stop(cmd.Context())
		},
	}, exitData, exitUnavailable)
}

// login is the entry of the present data directory in what starts at login.
func (c *cli) login() (dirs.Dirs, *autostart.Login, error) {
	d, err := c.dirs()
	if err != nil {
		return d, nil, err
	}
	program, err := lastingProgram()
	if err != nil {
		return d, nil, err
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return d, nil, &asset.Error{Code: asset.CodeConfiguration, Op: "find home folder", Message: err.Error(), Help: "set HOME"}
	}
	config := autostart.Config{Program: program, Dirs: d, Home: home, UID: os.Getuid(),
		ConfigHome: os.Getenv("XDG_CONFIG_HOME"), DataHome: os.Getenv("XDG_DATA_HOME")}
	if c.elsewhere() {
		config.Data = d.Data
	}
	if runtime.GOOS == "windows" {
		who, err := user.Current()
		if err != nil {
			return d, nil, &asset.Error{Code: asset.CodeConfiguration, Op: "find your user name", Message: err.Error()}
		}
		config.User = who.Username
	}
	login, err := autostart.New(runtime.GOOS, config)
	return d, login, err
}

// elsewhere reports whether the data directory is another than the system's own.
func (c *cli) elsewhere() bool { return c.data != "" || os.Getenv("LARDER_DATA") != "" }

// lastingProgram is the path of this program that survives its next update: the
// name in PATH when that leads here, and not the place of one version.
func lastingProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", cannotStart("this program cannot be found", "", err)
	}
	if named, err := exec.LookPath("larder"); err == nil && filepath.IsAbs(named) && sameFile(named, self) {
		return named, nil
	}
	return self, nil
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(one, other)
}

// passing reports whether program is one that "go run" removes again.
func passing(program string) bool {
	return strings.Contains(filepath.ToSlash(program), "/go-build") && filepath.Base(filepath.Dir(program)) == "exe"
}
