package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"larder/internal/dirs"
	"larder/internal/localapi"
)

const (
	startPatience = 10 * time.Second
	maxLog        = 4 << 20 // a larger log begins anew with the next start
	maxLastWords  = 2 << 10
)

// background is a service that was started and may have ended since.
type background struct {
	pid   int
	ended chan int // gets its exit code
}

// start makes sure that a service answers; started says that it is a new one.
func (c *cli) start(ctx context.Context) (h localapi.Hello, started bool, err error) {
	d, err := c.dirs()
	if err != nil {
		return h, false, err
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	if started, err = c.startInstalled(ctx, d); err != nil {
		return h, false, err
	}
	var child *background
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		h, err = hello(ctx, d)
		if err == nil {
			return h, started || child != nil && child.pid == h.PID, nil
		}
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return h, false, cannotStart(fmt.Sprintf("it does not answer after %s", startPatience), "its log is "+d.Log(), nil)
		}
		if !errors.Is(err, localapi.ErrNoService) {
			return h, false, err
		}
		if child == nil {
			if child, err = c.spawn(d); err != nil {
				return h, false, err
			}
		}
		select {
		case exit := <-child.ended:
			if exit != exitNotNow {
				return h, false, cannotStart(fmt.Sprintf("it ended at once (exit code %d)", exit), lastWords(d), nil)
			}
			child = nil // another service has the folder: it is about to begin, or to end
		default:
		}
		pause(ctx, wait)
	}
}

// spawn starts a service that outlives this process and its terminal.
func (c *cli) spawn(d dirs.Dirs) (*background, error) {
	if err := os.MkdirAll(d.Data, 0o700); err != nil {
		return nil, cannotStart("the data directory cannot be made", "name another folder with --data or LARDER_DATA", err)
	}
	log, err := openLog(d.Log())
	if err != nil {
		return nil, cannotStart("its log cannot be opened", "check that the folder is yours, or name another with --data", err)
	}
	defer log.Close()
	cmd, err := c.self("service", "run")
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr, cmd.Dir, cmd.SysProcAttr = log, log, d.Data, detached()
	if err := alone(cmd.Start); err != nil {
		return nil, cannotStart(err.Error(), "", err)
	}
	b := &background{pid: cmd.Process.Pid, ended: make(chan int, 1)}
	go func() {
		_ = cmd.Wait()
		b.ended <- cmd.ProcessState.ExitCode()
	}()
	return b, nil
}

func openLog(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > maxLog {
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lastWords is the end of the service's log.
func lastWords(d dirs.Dirs) string {
	intro := "its log is " + d.Log()
	f, err := os.Open(d.Log())
	if err != nil {
		return intro
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > maxLastWords {
		_, _ = f.Seek(-maxLastWords, io.SeekEnd)
	}
	text, _ := io.ReadAll(io.LimitReader(f, maxLastWords))
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return intro + ", which ends:\n" + string(bytes.Join(lines[max(0, len(lines)-4):], []byte("\n")))
}
