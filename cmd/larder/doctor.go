package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/dirs"
	"larder/internal/fence"
	"larder/internal/fsx"
	"larder/internal/localapi"
	"larder/internal/policy"
)

// verdict is how one check of the doctor ended.
type verdict string

const (
	fine verdict = "ok"
	warn verdict = "warn"
	fail verdict = "fail"
)

// finding is one line of the doctor.
type finding struct {
	Check   string  `json:"check"`
	Verdict verdict `json:"verdict"`
	Found   string  `json:"found"`
	Advice  string  `json:"advice,omitempty"`
}

func (c *cli) doctorCommand() *cobra.Command {
	return c.printsJSON(&cobra.Command{
		Use: "doctor", Short: "Check this machine and the service", Args: takes(0, 0),
		Long: "Check this machine and the service, and advise. Starts nothing. Exit code 1 when a check failed.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := c.dirs()
			if err != nil {
				return err
			}
			found := append(examineDisk(d), examineService(cmd.Context(), d)...)
			found = append(found, fenced(), clock(time.Now()))
			if c.json {
				err = c.document(struct {
					Findings []finding `json:"findings"`
				}{found})
			}
			var t table
			exit := exitOK
			for _, f := range found {
				t.add(string(f.Verdict), f.Check, f.Found)
				if f.Verdict == fail {
					exit = exitFailure
				}
			}
			for n, line := range t.lines("") {
				if c.json {
					break
				}
				c.say("%s", line)
				if advice := found[n].Advice; advice != "" {
					c.say("      → %s", advice)
				}
			}
			if err == nil && exit != exitOK {
				err = told{exit}
			}
			return err
		},
	}, "print the findings as JSON")
}

const scarce = 1 << 30 // free bytes

func examineDisk(d dirs.Dirs) []finding {
	at := d.Data
	if _, err := os.Stat(at); errors.Is(err, os.ErrNotExist) {
		for ; err != nil && filepath.Dir(at) != at; _, err = os.Stat(at) {
			at = filepath.Dir(at)
		}
		return []finding{{"data directory", fine, d.Data + " does not exist yet; the service makes it", ""}, space(at)}
	}
	return []finding{files(d.Data), space(at)}
}

// files does in the data directory what moving a download into a container does.
func files(data string) finding {
	f := finding{"data directory", fail, data, "make it a folder of your own on a local disk, or name another with --data or LARDER_DATA"}
	dir, err := os.MkdirTemp(data, ".doctor-")
	if err != nil {
		f.Found += " cannot be written: " + err.Error()
		return f
	}
	defer os.RemoveAll(dir)
	from, to := filepath.Join(dir, "inbox"), filepath.Join(dir, "container")
	err = errors.Join(os.Mkdir(from, 0o700), os.Mkdir(to, 0o700),
		fsx.WriteFile(fsx.OS(), filepath.Join(from, "file"), []byte("larder"), 0o600),
		fsx.Move(fsx.OS(), filepath.Join(from, "file"), filepath.Join(to, "file")))
	if err != nil {
		f.Found += " cannot hold downloads: " + err.Error()
		return f
	}
	return finding{"data directory", fine, data + " can be written, synced and renamed in", ""}
}

func space(at string) finding {
	free, err := fsx.Free(at)
	switch {
	case err != nil:
		return finding{"free space", warn, err.Error(), ""}
	case free < scarce:
		return finding{"free space", warn, policy.Bytes(free), "downloads wait when the disk is full: free some space"}
	}
	return finding{"free space", fine, policy.Bytes(free), ""}
}

func examineService(ctx context.Context, d dirs.Dirs) []finding {
	socket := finding{"sockets", fine, fmt.Sprintf("%s (%d bytes)", d.OwnerSocket(), len(d.OwnerSocket())), ""}
	if d.Run != filepath.Join(d.Data, "run") {
		socket.Found += ", outside the data directory"
	}
	runs, err := serviceRuns(d)
	var h localapi.Hello
	if err == nil && runs {
		h, err = localapi.NewClient(d).Hello(ctx)
	}
	switch {
	case err == nil && !runs || errors.Is(err, localapi.ErrNoService):
		return []finding{socket, {"service", fine, "none runs; the next command that needs it starts it", ""}}
	case err != nil:
		return []finding{socket, {"service", fail, err.Error(), "see its log: " + d.Log()}}
	}
	service := finding{"service", fine, fmt.Sprintf("larder %s runs (pid %d)", h.Version, h.PID), ""}
	if h.Version != ownVersion() {
		service.Verdict, service.Advice = warn, fmt.Sprintf("this program is %s: \"larder service restart\" starts this one", ownVersion())
	}
	out := []finding{socket, service}
	if rss, ok := residentMemory(h.PID); ok {
		out = append(out, memory(rss))
	}
	return append(out, apps(ctx, d))
}

func memory(rss int64) finding {
	f := finding{"memory", fine, policy.Bytes(rss) + " resident", ""}
	if rss > 64<<20 {
		f.Verdict, f.Advice = warn, "the service should stay below 67 MB: please tell us what it was doing"
	}
	return f
}

func apps(ctx context.Context, d dirs.Dirs) finding {
	list, err := localapi.NewClient(d).Apps(ctx)
	if err != nil {
		return finding{"apps", fail, err.Error(), "see the service's log: " + d.Log()}
	}
	f := finding{"apps", fine, counted(len(list), "app") + " installed", ""}
	shut := 0
	for _, a := range list {
		if a.State != asset.AppReady {
			shut++
		}
	}
	if shut > 0 {
		f.Found += fmt.Sprintf(", %d being stocked", shut)
	}
	return f
}

// fenced tells how far extensions are held in on this machine, and why not further.
func fenced() finding {
	level := fence.Probe()
	if level.Full() {
		return finding{"extension fence", fine, level.String(), ""}
	}
	return finding{"extension fence", warn, level.String(), "install only bundles that you trust"}
}

// clock compares the clock with the only thing that surely lies in the past.
func clock(now time.Time) finding {
	f := finding{"clock", fine, now.UTC().Format(time.RFC3339), ""}
	exe, err := os.Executable()
	if err != nil {
		return f
	}
	if info, err := os.Stat(exe); err == nil && now.Before(info.ModTime().Add(-24*time.Hour)) {
		f.Verdict, f.Advice = warn, "this program is newer than now: set the clock, or certificates will seem wrong"
	}
	return f
}
