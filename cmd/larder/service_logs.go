package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"larder/asset"
)

// maxTail is how much of the end of a log file is looked at.
const maxTail = 1 << 20

func (c *cli) serviceLogsCommand() *cobra.Command {
	var lines int
	var follow bool
	cmd := &cobra.Command{
		Use: "logs", Short: "Print the last lines of the service's log", Args: takes(0, 0),
		Long: `Print the last lines of the service's log: from the journal when systemd keeps the
service, else from service.log in the data directory.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lines < 0 {
				return wrongUse(cmd, "--lines must not be negative")
			}
			d, login, err := c.login()
			if err != nil {
				return err
			}
			if journal := login.Logs(lines, follow); login.Installed() && journal != nil && login.Available(cmd.Context()) == nil {
				return c.runs(cmd.Context(), journal)
			}
			return c.tail(cmd.Context(), d.Log(), lines, follow)
		},
	}
	cmd.Flags().IntVarP(&lines, "lines", "n", 40, "how many `LINES`")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing until Ctrl-C")
	return withExits(cmd, exitNotFound, exitInterrupted)
}

func (c *cli) runs(ctx context.Context, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = c.out, c.err
	err := cmd.Run()
	if ended := (*exec.ExitError)(nil); ctx.Err() == nil && errors.As(err, &ended) {
		return told{exitFailure}
	}
	return errors.Join(err, ctx.Err())
}

// tail prints the last lines of a file, and then what is added to it.
func (c *cli) tail(ctx context.Context, name string, lines int, follow bool) error {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return &asset.Error{Code: asset.CodeNotFound, Op: "read log", Subject: name, Message: "there is none yet",
			Help: "the service writes it when a command has started it in the background"}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxTail {
		_, _ = f.Seek(-maxTail, io.SeekEnd)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxTail))
	if err != nil {
		return err
	}
	all := bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	all = all[max(0, len(all)-lines):]
	if len(text) > 0 && len(all) > 0 {
		_, _ = c.out.Write(append(bytes.Join(all, nil), '\n'))
	}
	for follow {
		if _, err := io.Copy(c.out, f); err != nil {
			return err
		}
		if !pause(ctx, 250*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}
