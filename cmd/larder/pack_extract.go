package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/policy"
)

func (c *cli) packExtractCommand() *cobra.Command {
	into := ""
	cmd := &cobra.Command{
		Use: "extract PACK -o DIR", Short: "Write the files of a pack into a directory", Args: takes(1, 1),
		Long: "Write the files of a pack into the directory DIR, which is made, or is empty. Every byte is proved before it is\n" +
			"written, and nothing is written outside. When it fails, what it wrote is removed.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if into == "" {
				return wrongUse(cmd, "no directory is named: say -o DIR")
			}
			return c.extract(cmd.Context(), args[0], into)
		},
	}
	cmd.Flags().StringVarP(&into, "output-path", "o", "", "write into the directory `DIR`")
	return withExits(cmd, exitData, exitNotFound, exitNotNow)
}

func (c *cli) extract(ctx context.Context, name, dir string) (err error) {
	p, err := openPack(name)
	if err != nil {
		return err
	}
	defer p.file.Close()
	made := false
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		made = true
	case err != nil:
		return &asset.Error{Code: asset.CodeBadRequest, Op: "extract pack", Subject: dir, Message: "it is no directory", Help: "name one that is empty, or a new one"}
	case len(entries) > 0:
		return &asset.Error{Code: asset.CodeState, Op: "extract pack", Subject: dir, Message: "the directory is not empty", Help: "name one that is empty, or a new one"}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	p.gauge = c.gauge("extracting", p.size)
	err = p.Extract(ctx, root)
	p.gauge.end()
	if err == nil {
		t := p.Totals()
		c.note("%s: %s, %s", dir, counted(t.Entries, "entry"), policy.Bytes(t.InstalledSize))
		return nil
	}
	// It was empty, so all that is in it is ours.
	if made {
		err = errors.Join(err, os.RemoveAll(dir))
	} else if entries, listErr := os.ReadDir(dir); listErr == nil {
		for _, e := range entries {
			err = errors.Join(err, root.RemoveAll(e.Name()))
		}
	}
	return named(name, err)
}
