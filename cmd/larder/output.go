package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"larder/asset"
	"larder/internal/fsx"
)

// output is where a command writes a file for a person: -o and --force.
type output struct {
	name  string
	force bool
}

func (o *output) flags(cmd *cobra.Command, what string) {
	cmd.Flags().StringVarP(&o.name, "output-path", "o", "", what)
	cmd.Flags().BoolVar(&o.force, "force", false, "replace the output if it is there already")
}

// free refuses early what write would refuse.
func (o *output) free() error {
	info, err := os.Lstat(o.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		dir := filepath.Dir(o.name)
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return &asset.Error{Code: asset.CodeNotFound, Op: "write", Subject: o.name, Message: fmt.Sprintf("there is no directory %s", dir), Help: "make it first"}
		}
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return &asset.Error{Code: asset.CodeBadRequest, Op: "write", Subject: o.name, Message: "it is a directory", Help: "name a file in it"}
	case !info.Mode().IsRegular():
		return &asset.Error{Code: asset.CodeBadRequest, Op: "write", Subject: o.name, Message: "it is no regular file", Help: "name another"}
	case !o.force:
		return &existsError{o.name}
	}
	return nil
}

// write makes the file with what fill writes, whole or not at all. ctx ends it
// before the file gets its name.
func (o *output) write(ctx context.Context, fill func(w io.Writer) error) (err error) {
	if err := o.free(); err != nil {
		return err
	}
	disk := fsx.OS()
	temp := filepath.Join(filepath.Dir(o.name), fsx.TempPrefix+filepath.Base(o.name)+"-"+strconv.FormatUint(rand.Uint64(), 36))
	f, err := disk.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = disk.Remove(temp)
		}
	}()
	b := bufio.NewWriterSize(f, 1<<20)
	err = fill(b)
	if err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = context.Cause(ctx); err == nil {
		if err = o.free(); err == nil {
			err = fsx.Move(disk, temp, o.name)
		}
	}
	return err
}

// writeText is write of a text.
func (o *output) writeText(ctx context.Context, text []byte) error {
	return o.write(ctx, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
