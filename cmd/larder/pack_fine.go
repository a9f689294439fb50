package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"larder/internal/policy"
	"larder/pack"
)

func (c *cli) packFineCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use: "fine PACK -o OUT", Short: "Make what updates a pack from any other version", Args: takes(1, 1),
		Long: "Make what updates a pack from any other version: a device that has no delta finds in it the small blocks that\n" +
			"it lacks. It works without: then the device fetches frames. It takes a second for each megabyte. OUT gets its\n" +
			"name when it is whole.",
		Example: "  larder pack fine tutorial.assetpack -o tutorial.fine",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.fine(cmd, args[0], out) },
	}
	out.flags(cmd, "write the fine file to `FILE`")
	return withExits(c.printsJSON(cmd, "print what was made as JSON"), exitData, exitNotFound, exitExists)
}

// fineMade is what "pack fine --json" prints.
type fineMade struct {
	Output string `json:"output"`
	pack.FineSummary
}

func (c *cli) fine(cmd *cobra.Command, name string, out output) (err error) {
	debug.SetMemoryLimit(deltaMemory)
	if out.name == "" {
		return wrongUse(cmd, "no output is named: say -o FILE")
	}
	if err := out.free(); err != nil {
		return err
	}
	p, err := openPack(name)
	if err != nil {
		return err
	}
	defer p.file.Close()
	made := fineMade{Output: out.name}
	err = out.write(cmd.Context(), func(w io.Writer) error {
		return viaScratch(w, func(scratch *os.File) (int64, error) {
			g := c.gauge("fine file", p.Totals().InstalledSize)
			defer g.end()
			shown := int64(0)
			made.FineSummary, err = pack.WriteFine(cmd.Context(), scratch, p.Archive, pack.FineOptions{Progress: func(done, _ int64) {
				g.add(int(done - shown))
				shown = done
			}})
			return made.Size, err
		})
	})
	if err != nil {
		return named(name, err)
	}
	if c.json {
		return c.document(made)
	}
	c.say("%s: %s", out.name, policy.Bytes(made.Size))
	return nil
}

// viaScratch has a file written beside the others of this system, for its head is written last, and
// copies it.
func viaScratch(w io.Writer, write func(scratch *os.File) (size int64, err error)) error {
	scratch, err := os.CreateTemp("", "larder-delta-")
	if err != nil {
		return err
	}
	defer func() {
		_ = scratch.Close() // what it held has been copied
		_ = os.Remove(scratch.Name())
	}()
	size, err := write(scratch)
	if err == nil {
		_, err = io.Copy(w, io.NewSectionReader(scratch, 0, size))
	}
	return err
}

// openFine opens a fine file; close ends that.
func openFine(name string) (f *pack.Fine, closeFile func() error, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return pack.NewFine(pack.AtHand(file), info.Size()), file.Close, nil
}

// fineFigures are the lines of a plan with a fine file.
func fineFigures(f pack.Figures, name string) [][2]string {
	if name == "" {
		return nil
	}
	return [][2]string{{"fine file", fmt.Sprintf("%s of that download, and %s before it, to find out what is lacking", policy.Bytes(f.Fine), policy.Bytes(f.Leaves))}}
}
