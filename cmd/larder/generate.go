package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"larder/internal/autostart"
)

// packaged is where a system's package puts the program.
const packaged = "/usr/bin/larder"

// generateCommand writes what a release holds beside the program. "make dist"
// runs it; people have no use for it.
func (c *cli) generateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "generate DIR", Short: "Write manual pages, shell completions and the packaged unit", Args: takes(1, 1), Hidden: true,
		Long: `Write manual pages, shell completions and the packaged unit into DIR. The date of the manual
pages is that of SOURCE_DATE_EPOCH, so that the same release is the same bytes.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
			if err != nil {
				return wrongUse(cmd, "SOURCE_DATE_EPOCH must be set, in seconds")
			}
			return generate(cmd.Root(), args[0], time.Unix(seconds, 0).UTC())
		},
	}
}

func generate(root *cobra.Command, dir string, date time.Time) error {
	write := func(name string, fill func(w io.Writer) error) error {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return err
		}
		if err := fill(f); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	}
	for name, fill := range map[string]func(io.Writer) error{
		"completions/larder.bash": func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"completions/_larder":     root.GenZshCompletion,
		"completions/larder.fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
		"completions/larder.ps1":  root.GenPowerShellCompletionWithDesc,
		"systemd/larder.service": func(w io.Writer) error {
			_, err := w.Write(autostart.PackagedUnit(packaged))
			return err
		},
	} {
		if err := write(name, fill); err != nil {
			return err
		}
	}
	for _, cmd := range documented(root) {
		page := manualPage(cmd, date)
		err := write(fmt.Sprintf("man/%s.1", dashed(cmd)), func(w io.Writer) error { _, err := io.WriteString(w, page); return err })
		if err != nil {
			return err
		}
	}
	return nil
}
