package fence

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A cgroup (version 2) of one program. A nil *cgroup is none.
type cgroup struct {
	dir    *os.File
	memory int64
	bounds bool
}

// controllers are those that the fence wants of a cgroup.
var controllers = []string{"memory", "pids"}

// newGroup makes a cgroup beside our own, in one that was delegated to us: systemd marks it
// so for a unit with Delegate=yes and DelegateSubgroup=. The group may be there, and be
// good for killing, though an error says why it bounds nothing.
func newGroup(memory int64) (*cgroup, error) {
	parent, err := delegated()
	if err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp(parent, "extension-")
	if err != nil {
		return nil, err
	}
	g := &cgroup{memory: memory}
	if g.dir, err = os.Open(path); err != nil {
		_ = unix.Rmdir(path)
		return nil, err
	}
	// Controllers that are on already cannot be had by us, and need not be.
	_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+strings.Join(controllers, " +")), 0)
	err = errors.Join(g.write("memory.max", memory), g.write("memory.swap.max", 0), g.write("memory.oom.group", 1), g.write("pids.max", maxTasks))
	g.bounds = err == nil
	if err != nil {
		return g, fmt.Errorf("the delegated cgroup has no memory or no pids controller")
	}
	return g, nil
}

// delegated finds the directory of the cgroup that holds ours, if it is ours to divide.
func delegated() (string, error) {
	own, err := ownGroup()
	if err != nil {
		return "", err
	}
	mount, err := unifiedMount()
	if err != nil {
		return "", err
	}
	parent := filepath.Dir(filepath.Join(mount, own))
	mark := make([]byte, 1)
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		if n, err := unix.Getxattr(parent, name, mark); err == nil && n == 1 && mark[0] == '1' && above(mount, parent) {
			return parent, nil
		}
	}
	return "", errors.New("no cgroup was delegated to this service")
}

func ownGroup() (string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "0::"); ok && strings.HasPrefix(path, "/") && path != "/" {
			return path, nil
		}
	}
	return "", errors.New("no cgroup was delegated to this service")
}

// unifiedMount finds where version 2 is mounted: alone, or beside version 1.
func unifiedMount() (string, error) {
	for _, at := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if unix.Statfs(at, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return at, nil
		}
	}
	return "", errors.New("cgroups of version 2 are not mounted")
}

func (g *cgroup) write(file string, n int64) error {
	return os.WriteFile(filepath.Join(g.dir.Name(), file), strconv.AppendInt(nil, n, 10), 0)
}

func (g *cgroup) fd() int { return int(g.dir.Fd()) }

// kill ends all that is in the group, if there is one.
func (g *cgroup) kill() {
	if g != nil {
		_ = g.write("cgroup.kill", 1)
	}
}

// overrun says why the kernel killed what was in the group, if it did.
func (g *cgroup) overrun() string {
	if g == nil || !g.bounds {
		return ""
	}
	events, err := os.ReadFile(filepath.Join(g.dir.Name(), "memory.events"))
	if err != nil || !bytes.Contains(events, []byte("\noom_kill ")) || bytes.Contains(events, []byte("\noom_kill 0")) {
		return ""
	}
	return fmt.Sprintf("it used more than the %d MiB of memory that are allowed", g.memory>>20)
}

// remove removes the group. What was killed in it leaves it in a moment.
func (g *cgroup) remove() {
	if g == nil {
		return
	}
	defer g.dir.Close()
	for range 100 {
		if err := unix.Rmdir(g.dir.Name()); err == nil || errors.Is(err, fs.ErrNotExist) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
