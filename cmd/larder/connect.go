package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"larder/asset"
	"larder/internal/dirs"
	"larder/internal/localapi"
)

// service gives a client of the running service, and starts one when none runs.
func (c *cli) service(ctx context.Context) (*localapi.Client, error) {
	d, err := c.dirs()
	if err != nil {
		return nil, err
	}
	h, err := hello(ctx, d)
	if errors.Is(err, localapi.ErrNoService) {
		h.Version, err = ownVersion(), c.launchStarter(ctx)
	}
	if err != nil {
		return nil, err
	}
	if h.Version != ownVersion() {
		c.note("the running service is larder %s, this program %s; restart it with \"larder service restart\"", h.Version, ownVersion())
	}
	return localapi.NewClient(d), nil
}

// hello asks who listens, and refuses a service of another API. One that ends while it is asked is
// asked again, until another is there, or none.
func hello(ctx context.Context, d dirs.Dirs) (localapi.Hello, error) {
	h, err := localapi.NewClient(d).Hello(ctx)
	for n := 1; n <= reconnects && asset.CodeOf(err) == asset.CodeConnectionInvalid && !errors.Is(err, localapi.ErrNoService); n++ {
		pause(ctx, time.Duration(n)*50*time.Millisecond)
		h, err = localapi.NewClient(d).Hello(ctx)
	}
	if err == nil && (h.API.Min > localapi.APIVersion || h.API.Max < localapi.APIVersion) {
		err = &asset.Error{Code: asset.CodeConnectionNotAccepted, Op: "call service", Subject: d.Data,
			Message: fmt.Sprintf("it is larder %s, which does not speak version %d of the local API", h.Version, localapi.APIVersion),
			Help:    "replace it by this version with \"larder service restart\""}
	}
	return h, err
}

// launchStarter runs "larder service start" as a process of its own. So the
// service is never a child of this one, which may become an app.
func (c *cli) launchStarter(ctx context.Context) error {
	args := []string{"service", "start"}
	if c.quiet {
		args = append(args, "--quiet")
	}
	cmd, err := c.self(args...)
	if err != nil {
		return err
	}
	cmd.Stderr = c.err
	err = cmd.Run()
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &ended) && ended.ExitCode() > 0:
		return told{ended.ExitCode()}
	case err != nil:
		return cannotStart(err.Error(), "", err)
	}
	return nil
}

// self is this program again, on the same data directory.
func (c *cli) self(args ...string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, cannotStart("this program cannot be found", "", err)
	}
	d, err := c.dirs()
	if err != nil {
		return nil, err
	}
	if c.data != "" || os.Getenv("LARDER_DATA") != "" {
		args = append(args, "--data", d.Data)
	}
	return exec.Command(exe, args...), nil
}

func cannotStart(message, help string, cause error) *asset.Error {
	return &asset.Error{Code: asset.CodeConnectionInvalid, Op: "start service", Message: message, Help: help, Err: cause}
}
