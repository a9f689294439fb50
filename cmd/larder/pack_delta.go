package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"larder/internal/policy"
	"larder/pack"
)

func (c *cli) packDeltaCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use: "delta OLD NEW -o OUT", Short: "Make what turns one version of a pack into another", Args: takes(2, 2),
		Long: "Make what turns one version of a pack into another, so that a device that has OLD fetches little for NEW. It\n" +
			"works without: then the device fetches frames of NEW. OUT gets its name when it is whole.",
		Example: "  larder pack delta tutorial-1.assetpack tutorial-2.assetpack -o tutorial-1-2.delta",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.delta(cmd, args[0], args[1], out) },
	}
	out.flags(cmd, "write the delta to `FILE`")
	return withExits(c.printsJSON(cmd, "print what was made as JSON"), exitData, exitNotFound, exitExists)
}

// deltaMemory is what making a delta of any size is to take. A limit this soft costs
// time only when reached.
const deltaMemory = 900 << 20

// deltaMade is what "pack delta --json" prints.
type deltaMade struct {
	Output string `json:"output"`
	pack.DeltaSummary
}

func (c *cli) delta(cmd *cobra.Command, oldName, newName string, out output) (err error) {
	debug.SetMemoryLimit(deltaMemory)
	ctx := cmd.Context()
	if out.name == "" {
		return wrongUse(cmd, "no output is named: say -o FILE")
	}
	if err := out.free(); err != nil {
		return err
	}
	old, err := openPack(oldName)
	if err != nil {
		return err
	}
	defer old.file.Close()
	now, err := openPack(newName)
	if err != nil {
		return err
	}
	defer now.file.Close()
	made := deltaMade{Output: out.name}
	err = out.write(ctx, func(w io.Writer) error {
		return c.writeDelta(ctx, w, old.Archive, now.Archive, &made.DeltaSummary)
	})
	if err != nil {
		return named(oldName+" → "+newName, err)
	}
	if c.json {
		return c.document(made)
	}
	c.say("%s: %s for %s of changed data, %s of it the index", out.name, policy.Bytes(made.Size), policy.Bytes(made.Missing), policy.Bytes(made.Head))
	return nil
}

// writeDelta makes the delta and copies it.
func (c *cli) writeDelta(ctx context.Context, w io.Writer, old, now *pack.Archive, sum *pack.DeltaSummary) error {
	return viaScratch(w, func(scratch *os.File) (size int64, err error) {
		g := c.gauge("delta", old.Totals().InstalledSize)
		defer g.end()
		shown := int64(0)
		*sum, err = pack.WriteDelta(ctx, scratch, old, now, pack.DeltaOptions{Progress: func(done, total int64) {
			at := int64(float64(done) / float64(max(total, 1)) * float64(old.Totals().InstalledSize))
			g.add(int(at - shown))
			shown = at
		}})
		return sum.Size, err
	})
}

// openedDelta is an open delta with the file it is in.
type openedDelta struct {
	*pack.Delta
	file *os.File
}

func openDelta(name string) (*openedDelta, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d, err := pack.OpenDelta(f, info.Size())
	if err != nil {
		return nil, errors.Join(named(name, err), f.Close())
	}
	return &openedDelta{d, f}, nil
}

// deltaFigures are the lines of a plan with a delta.
func deltaFigures(f pack.Figures, d *openedDelta) [][2]string {
	if d == nil {
		return nil
	}
	return [][2]string{{"delta", fmt.Sprintf("%s of that download, and %s before it, for the new index", policy.Bytes(f.Delta), policy.Bytes(d.Head()))}}
}
