package fsx

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// lockInChild makes the test binary take the lock of the file it names, say so
// and hold it until it is killed.
const lockInChild = "LARDER_TEST_LOCK"

func TestMain(m *testing.M) {
	name := os.Getenv(lockInChild)
	if name == "" {
		os.Exit(m.Run())
	}
	if _, err := Lock(name); err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString("locked\n")
	bufio.NewReader(os.Stdin).ReadByte() // ends with the parent, should that die
}

func TestLockIsFreedWhenItsProcessIsKilled(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(exe)
	child.Env = append(os.Environ(), lockInChild+"="+name)
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "locked\n" {
		t.Fatalf("child said %q, %v", line, err)
	}

	_, err = Lock(name)
	var held *LockedError
	if !errors.Is(err, ErrLocked) || !errors.As(err, &held) {
		t.Fatalf("error while the child holds it = %v", err)
	}
	if held.PID != child.Process.Pid || held.Name != name {
		t.Errorf("held by %+v, want process %d", held, child.Process.Pid)
	}

	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	lock, err := Lock(name)
	if err != nil {
		t.Fatalf("after the kill: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestLockIsExclusiveWithinAProcessToo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	lock, err := Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a refused try frees nothing
		if _, err := Lock(name); !errors.Is(err, ErrLocked) {
			t.Fatalf("second lock: %v", err)
		}
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(name)
	if err != nil {
		t.Fatalf("after Unlock: %v", err)
	}
	if err := again.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestLockWithUnreadableHolderSaysSo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	lock, err := Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	for _, text := range []string{"", "garbage", "-5", "99999999999999999999999999"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Lock(name)
		if want := "lock " + name + ": held by another process"; err == nil || err.Error() != want {
			t.Errorf("with %q in the file: %v", text, err)
		}
	}
}

func TestLockInAMissingDirectoryFails(t *testing.T) {
	if _, err := Lock(filepath.Join(t.TempDir(), "none", "lock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error = %v", err)
	}
}
