//go:build !race

package fence

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A tree of cgroups as systemd makes it for a unit with Delegate=yes and
// DelegateSubgroup=service; the test runs once more in its "service".
func TestADelegatedCgroupHoldsTheProgram(t *testing.T) {
	if parent := os.Getenv("LARDER_TEST_CGROUP"); parent != "" {
		inDelegatedGroup(t, parent)
		return
	}
	mount, err := unifiedMount()
	if err != nil {
		t.Skip(err)
	}
	parent, err := os.MkdirTemp(mount, "larder-test-")
	if err != nil {
		t.Skip("no cgroup can be made here:", err)
	}
	service := filepath.Join(parent, "service")
	t.Cleanup(func() { _ = unix.Rmdir(service); _ = unix.Rmdir(parent) })
	if err := os.Mkdir(service, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(parent, "user.delegate", []byte("1"), 0); err != nil {
		t.Skip("this kernel has no extended attributes of cgroups:", err)
	}
	dir, err := os.Open(service)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cmd := exec.Command("/proc/self/exe", "-test.v", "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "LARDER_TEST_CGROUP="+parent)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

func inDelegatedGroup(t *testing.T, parent string) {
	w := newWorld(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p, err := Start(Spec{Path: w.program(t, "go"), Bundle: w.bundle, Container: w.container, Layers: "none", Env: append(w.env, "ESCAPE="+Processes),
		Stdin: null, Stdout: null, Stderr: null})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(p.Level())
	members := func() (text string) {
		files, _ := filepath.Glob(filepath.Join(parent, "extension-*", "cgroup.procs"))
		for _, f := range files {
			b, _ := os.ReadFile(f)
			text += string(b)
		}
		return text
	}
	for end := time.Now().Add(10 * time.Second); strings.Count(members(), "\n") < 20; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("few processes are in the cgroup: %q", members())
		}
	}
	p.Kill()
	<-p.Done()
	if left := members(); left != "" {
		t.Errorf("left in the cgroup: %q", left)
	}
	if left, _ := filepath.Glob(filepath.Join(parent, "extension-*")); left != nil {
		t.Errorf("the cgroup is still there: %q", left)
	}
}
