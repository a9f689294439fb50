package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/device"
	"larder/internal/dirs"
	"larder/internal/fsx"
	"larder/internal/localapi"
	"larder/internal/service"
)

func (c *cli) serviceCommand() *cobra.Command {
	return c.group("service", "Run, start or stop the background service, also at each login",
		c.serviceRunCommand(), c.serviceStartCommand(), c.serviceStopCommand(), c.serviceRestartCommand(),
		c.serviceInstallCommand(), c.serviceUninstallCommand(), c.serviceStatusCommand(), c.serviceLogsCommand())
}

func (c *cli) serviceRunCommand() *cobra.Command {
	var logJSON bool
	cmd := &cobra.Command{
		Use: "run", Short: "Run the service in the foreground", Args: takes(0, 0),
		Long: "Run the service in the foreground until Ctrl-C or SIGTERM. Its log goes to standard error.\nThere is one service per data directory; it may be killed at any moment.",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context(), logJSON) },
	}
	cmd.Flags().BoolVar(&logJSON, "log-json", false, "write the log as JSON")
	return withExits(cmd, exitData, exitNotNow)
}

func (c *cli) serve(ctx context.Context, logJSON bool) error {
	d, err := c.dirs()
	if err != nil {
		return err
	}
	var handler slog.Handler = slog.NewTextHandler(c.err, nil)
	if logJSON {
		handler = slog.NewJSONHandler(c.err, nil)
	}
	listen, err := localapi.Inherit(d.OwnerSocket())
	if err != nil {
		return err
	}
	limitMemory()
	svc, err := service.Open(ctx, service.Config{Dirs: d, Version: ownVersion(), Log: slog.New(handler), Listen: listen, Device: device.System(), Idle: returnMemory})
	if err != nil {
		return err
	}
	c.note("serving %s at %s", d.Data, d.OwnerSocket())
	return svc.Run(ctx)
}

func (c *cli) serviceStartCommand() *cobra.Command {
	return withExits(&cobra.Command{
		Use: "start", Short: "Start the service in the background, unless it runs", Args: takes(0, 0),
		Long: "Start the service in the background, unless it runs. Other commands do so by themselves.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, started, err := c.start(cmd.Context())
			switch {
			case err != nil:
				return err
			case started:
				c.note("started the background service (pid %d)", h.PID)
			default:
				c.note("the background service runs already (pid %d)", h.PID)
			}
			return nil
		},
	}, exitUnavailable)
}

// stopPatience is how long a service may take to end; it should take two seconds.
const stopPatience = 10 * time.Second

func (c *cli) serviceStopCommand() *cobra.Command {
	return withExits(&cobra.Command{
		Use: "stop", Short: "End the background service", Args: takes(0, 0),
		Long: "End the background service. Downloads keep their bytes and go on with the next start.",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.stop(cmd.Context()) },
	}, exitUnavailable)
}

func (c *cli) stop(ctx context.Context) error {
	d, err := c.dirs()
	if err != nil {
		return err
	}
	var h localapi.Hello
	runs, err := serviceRuns(d)
	if err == nil && runs {
		h, err = localapi.NewClient(d).Hello(ctx)
	}
	if err == nil && !runs || errors.Is(err, localapi.ErrNoService) {
		c.note("no service runs for %s", d.Data)
		return nil
	}
	if err != nil {
		return err
	}
	failed := func(message string, cause error) error {
		return &asset.Error{Code: asset.CodeConnectionInvalid, Op: "stop service", Subject: d.Data, Message: message, Err: cause,
			Help: fmt.Sprintf("end process %d yourself: the service may be killed at any moment", h.PID)}
	}
	p, err := os.FindProcess(h.PID)
	if err == nil {
		err = terminate(p)
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return failed("it could not be told to end", err)
	}
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	for {
		// It has ended when its lock is free: its process may be a zombie for ever.
		// Or when another has it, which waited for that.
		lock, err := fsx.Lock(d.LockFile())
		var locked *fsx.LockedError
		if err == nil {
			c.note("stopped the background service (pid %d)", h.PID)
			return lock.Unlock()
		}
		if errors.As(err, &locked) && locked.PID != 0 && locked.PID != h.PID {
			c.note("stopped the background service (pid %d); another has begun (pid %d)", h.PID, locked.PID)
			return nil
		}
		if !errors.Is(err, fsx.ErrLocked) {
			return failed("its lock cannot be read", err)
		}
		if !pause(ctx, 20*time.Millisecond) {
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return failed(fmt.Sprintf("it has not ended within %s", stopPatience), nil)
			}
			return ctx.Err()
		}
	}
}

// serviceRuns looks at the lock of the data directory: to call would start the
// service where a service manager holds its socket.
func serviceRuns(d dirs.Dirs) (bool, error) {
	lock, err := fsx.Lock(d.LockFile())
	switch {
	case err == nil:
		return false, lock.Unlock()
	case errors.Is(err, fsx.ErrLocked):
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, &asset.Error{Code: asset.CodeConfiguration, Op: "look for service", Subject: d.Data, Message: "its lock cannot be read", Err: err,
		Help: "check that the folder is yours, or name another with --data"}
}

// pause waits for d; false when ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
