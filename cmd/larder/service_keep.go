package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"larder/internal/dirs"
	"larder/internal/localapi"
)

func (c *cli) serviceRestartCommand() *cobra.Command {
	return withExits(&cobra.Command{
		Use: "restart", Short: "Replace the running service by this version of it", Args: takes(0, 0),
		Long: "Replace the running service by this version of it, as after an update. Downloads keep\ntheir bytes and go on.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := c.stop(cmd.Context()); err != nil {
				return err
			}
			h, _, err := c.start(cmd.Context())
			if err == nil {
				c.note("larder %s runs (pid %d)", h.Version, h.PID)
			}
			return err
		},
	}, exitUnavailable)
}

// startInstalled lets the keeper of services start the service, when one was told
// to; began says that none ran.
func (c *cli) startInstalled(ctx context.Context, d dirs.Dirs) (began bool, err error) {
	_, login, err := c.login()
	if err != nil || !login.Installed() || login.Available(ctx) != nil {
		return false, nil
	}
	runs, err := serviceRuns(d)
	if err != nil || runs {
		return false, err
	}
	return true, login.Start(ctx)
}

// answers waits until the service that a keeper started says hello.
func (c *cli) answers(ctx context.Context, d dirs.Dirs) (localapi.Hello, error) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	for {
		h, err := hello(ctx, d)
		switch {
		case err == nil:
			return h, nil
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return h, cannotStart(fmt.Sprintf("it does not answer after %s", startPatience), "see \"larder service logs\"", nil)
		case !errors.Is(err, localapi.ErrNoService):
			return h, err
		}
		pause(ctx, 50*time.Millisecond)
	}
}
