package fence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

const (
	maxModule = 64 << 20 // bytes of a module's file
	pageSize  = 64 << 10 // of WebAssembly
)

// Guest is the path under which the program sees a file of Container or Inbox: for
// a module the lowest directory of both is the root, on every system; for all else it is
// the path itself.
func (s Spec) Guest(host string) string {
	if !s.module() {
		return host
	}
	rel, err := filepath.Rel(s.root(), host)
	if err != nil {
		return host
	}
	return path.Join("/", filepath.ToSlash(rel))
}

// root is the directory that a module sees as the root of all.
func (s Spec) root() string {
	dirs := []string{filepath.Dir(filepath.Clean(s.Container))}
	if s.Inbox != "" {
		dirs = append(dirs, filepath.Clean(s.Inbox))
	}
	return commonTree(dirs)
}

// asModule makes cmd run a module, if that is what spec names, in a process of ours.
func asModule(cmd *exec.Cmd, spec Spec) error {
	if !spec.module() {
		return nil
	}
	if !armed {
		return errors.New("this program does not begin with fence.Main, so it can run no module")
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	job, err := json.Marshal(spec)
	cmd.Path, cmd.Args = self, []string{roleModule, string(job)}
	return err
}

// moduleMain is the life of a process that runs a module.
func moduleMain() {
	var s Spec
	err := errors.New("no module was named")
	if len(os.Args) == 2 {
		if err = json.Unmarshal([]byte(os.Args[1]), &s); err == nil {
			err = runModule(s)
		}
	}
	var exit *sys.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(int(exit.ExitCode() & 0xff))
	case err != nil:
		fmt.Fprintln(os.Stderr, firstLine(err))
		os.Exit(126)
	}
	os.Exit(0)
}

// firstLine is the error without the stack of a trap.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// runModule runs the module to its end. It sees its standard files, a clock, chance,
// its environment, and container and inbox; it has no way to the network.
func runModule(s Spec) error {
	code, err := readModule(s.Path)
	if err != nil {
		return err
	}
	ctx := context.Background()
	// All of the memory is reserved at once, and not used before it is touched:
	// otherwise it would be copied each time that it grows.
	limits := wazero.NewRuntimeConfig().WithMemoryLimitPages(uint32(min(s.Memory/pageSize, 1<<16))).WithMemoryCapacityFromMax(true)
	runtime := wazero.NewRuntimeWithConfig(ctx, limits)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, runtime); err != nil {
		return err
	}
	compiled, err := runtime.CompileModule(ctx, code)
	if err != nil {
		return fmt.Errorf("the module is not valid: %w", err)
	}
	files, err := newGuestFS(s)
	if err != nil {
		return err
	}
	config := wazero.NewModuleConfig().WithName("").WithArgs(path.Base(filepath.ToSlash(s.Path))).
		WithStdin(os.Stdin).WithStdout(os.Stdout).WithStderr(os.Stderr).
		WithSysWalltime().WithSysNanotime().WithSysNanosleep().WithRandSource(random{}).
		WithFSConfig(wazero.NewFSConfig().(sysfs.FSConfig).WithSysFSMount(files, "/"))
	for _, v := range s.Env {
		if name, value, ok := strings.Cut(v, "="); ok {
			config = config.WithEnv(name, value)
		}
	}
	_, err = runtime.InstantiateModule(ctx, compiled, config)
	return err
}

func readModule(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxModule {
		return nil, fmt.Errorf("%s: a module is a file of at most %d MiB", name, maxModule>>20)
	}
	code := make([]byte, st.Size())
	n, err := f.ReadAt(code, 0)
	if n == len(code) {
		err = nil
	}
	return code, err
}
