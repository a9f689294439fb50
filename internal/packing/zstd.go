package packing

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"larder/asset"
)

// MaxZstdLevel is the highest level of the zstd program.
const MaxZstdLevel = 22

// Zstd compresses frames with the zstd program, for pack.BuildOptions.Compress: some per
// cent smaller than the built-in encoder at the high levels, and slow. It needs the program
// on the search path.
func Zstd(level int) (compress func(ctx context.Context, raw []byte) ([]byte, error), err error) {
	const op = "compress with zstd"
	if level < 1 || level > MaxZstdLevel {
		return nil, &asset.Error{Code: asset.CodeBadRequest, Op: op, Subject: strconv.Itoa(level), Message: fmt.Sprintf("levels are 1 to %d", MaxZstdLevel)}
	}
	program, err := exec.LookPath("zstd")
	if err != nil {
		return nil, &asset.Error{Code: asset.CodeNotFound, Op: op, Subject: "zstd", Message: "there is no such program on the search path", Help: "install it, or leave it out: the built-in encoder needs nothing", Err: err}
	}
	return func(ctx context.Context, raw []byte) ([]byte, error) {
		cmd := exec.CommandContext(ctx, program, "-q", "-c", "--single-thread", "--ultra", "-"+strconv.Itoa(level), "--stream-size="+strconv.Itoa(len(raw)))
		var out, complaint bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(raw), &out, &complaint
		if err := cmd.Run(); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return nil, fmt.Errorf("%s: %w: %s", op, err, strings.TrimSpace(complaint.String()))
		}
		return out.Bytes(), nil
	}, nil
}
