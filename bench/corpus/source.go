package corpus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// npm is a package of the npm registry, "name@version".
type npm string

func (p npm) fetch(ctx context.Context, dir string) error {
	return within(func(tmp string) error {
		if _, err := run(ctx, tmp, nil, "npm", "pack", "--silent", "--ignore-scripts", string(p)); err != nil {
			return err
		}
		balls, err := filepath.Glob(filepath.Join(tmp, "*.tgz"))
		if err != nil || len(balls) != 1 {
			return fmt.Errorf("npm pack made %d files", len(balls))
		}
		_, err = run(ctx, dir, nil, "tar", "--no-same-owner", "--strip-components=1", "-xzf", balls[0])
		return err
	})
}

// module is a Go module, "path@version", whose checksum the go command proves.
type module string

func (m module) fetch(ctx context.Context, dir string) error {
	return within(func(tmp string) error {
		// A cache of its own, for the real one would keep the 250 MB.
		out, err := run(ctx, tmp, []string{"GOMODCACHE=" + tmp, "GOFLAGS=-modcacherw", "GOTOOLCHAIN=local"}, "go", "mod", "download", "-json", string(m))
		if err != nil {
			return err
		}
		var got struct{ Dir string }
		if err := json.Unmarshal(out, &got); err != nil {
			return err
		}
		_, err = run(ctx, dir, nil, "cp", "-r", got.Dir+"/.", ".")
		return err
	})
}

// within gives do a folder for the while.
func within(do func(tmp string) error) error {
	tmp, err := os.MkdirTemp("", "larder-corpus-")
	if err != nil {
		return err
	}
	return errors.Join(do(tmp), os.RemoveAll(tmp))
}

// run gives the command's output; its errors come with what it complained about.
func run(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out, err
}
