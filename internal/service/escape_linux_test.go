//go:build !race

package service

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"larder/asset"
	"larder/internal/dirs"
	"larder/internal/fence"
	"larder/internal/fence/escape"
	"larder/internal/localapi"
)

const (
	nobody = 65534
	// diskVariable names a small disk of its own to the test that runs as nobody.
	diskVariable = "LARDER_TEST_DISK"
)

// attempt is what an extension tries, and words of the cause that the gate must then
// give: one of them. What is denied makes the extension raise what the system told
// it.
type attempt struct {
	name   string
	causes []string
}

var escapes = []attempt{
	{escape.Files, nil},
	{escape.Attributes, nil},
	{escape.TCP, nil},
	{escape.UDP, nil},
	{escape.DNS, nil},
	{escape.UnixSockets, nil},
	{escape.AbstractSockets, nil},
	{escape.Trace, nil},
	{escape.Signals, nil},
	{escape.Sight, nil},
	{escape.Processes, []string{"emporarily unavailable", "processes", "MiB of memory; 256 MiB are allowed"}},
	{escape.Memory, []string{"MiB of memory; 256 MiB are allowed"}},
	{escape.MemoryFiles, []string{"MiB of memory; 256 MiB are allowed", "held: 0"}},
	{escape.Disk, []string{"MiB: ", "the disk is nearly full"}},
	{escape.ManyFiles, []string{"the disk is nearly full"}},
	{escape.Lines, []string{"not JSON-RPC"}},
}

// Each attempt, in Go and in Python, is made by the extension of an app of a real
// service: it ends as 1007 with its cause, the gate opens, nothing outside was
// harmed, and the apps after it are stocked. What the level does not hold is told.
// LARDER_FENCE chooses the level, as in any service.
func TestEscapesAreRecordedWithTheirCauseAndTheGateOpens(t *testing.T) {
	t.Parallel()
	disk := os.Getenv(diskVariable)
	if disk == "" && os.Geteuid() == 0 {
		disk = smallDisk(t, t.TempDir())
	}
	w := newWorld(t)
	w.config.Deadline = time.Minute // on a busy machine it takes long to start as many processes as may be
	if disk != "" {
		w.dirs, _ = dirs.Find(disk)
		w.client = localapi.NewClient(w.dirs)
		w.config.Dirs = w.dirs
	}
	w.start()
	beside := w.install(app{id: "org.example.beside", manifest: manifest{Downloads: []asset.Download{w.put("theirs", 1000, true, "")}}})
	w.open(beside)
	// What was changed is not purgeable: else it may go when an escape fills the disk.
	if err := os.Chtimes(filepath.Join(w.dirs.Container("group.org.example.beside"), "theirs"), time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	level := fence.Probe()
	try := func(language string, rows []attempt) {
		for n, e := range rows {
			if disk == "" && escape.HeldAs(e.name) == escape.Disk {
				continue // a person's own disk is not for filling; root makes one
			}
			id := asset.AppID(fmt.Sprintf("org.example.%s%d.%d", language, len(rows), n))
			held := w.tryEscape(id, language, e.name, e.causes)
			what := escape.HeldAs(e.name)
			switch {
			case !held && (what == escape.Lines || slices.Contains(level.Holds, what)):
				t.Errorf("%s: %s got out of %q", language, e.name, level.Name)
			case !held:
				t.Logf("NOT HELD at %q: %s (%s)", level.Name, e.name, language)
			}
			if err := w.client.Uninstall(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, language := range []string{"go", "python"} {
		try(language, escapes)
	}
	w.stop()
	w.config.Deadline = 3 * time.Second
	w.start()
	for _, language := range []string{"go", "python"} {
		try(language, []attempt{{escape.Survivors, []string{"did not answer within 3 s"}}})
	}
	for _, m := range level.Missing {
		t.Logf("%q does not hold %s: %s", level.Name, m.What, m.Why)
	}
	w.open(w.install(app{id: "org.example.last", manifest: manifest{Downloads: []asset.Download{w.put("last", 1000, true, "")}}}))
	w.holds("org.example.last", "last", 1000)
	w.holds(beside, "theirs", 1000)
}

// tryEscape lets an app's extension try, and reports whether all of it was held.
func (w *world) tryEscape(id asset.AppID, language, name string, causes []string) (held bool) {
	w.Helper()
	dir := w.TempDir()
	around := escape.Surround(w.T, dir)
	group := asset.GroupID("group." + string(id))
	around.Vars["BUNDLE"] = filepath.Join(w.dirs.Data, "..", "bundles", string(id)+"-0")
	around.Vars["OTHER"] = w.dirs.Inbox("group.org.example.beside", "org.example.beside")
	around.Vars["OWNER"], around.Vars["APP"] = w.dirs.OwnerSocket(), w.dirs.AppSocket("org.example.beside")
	a := app{id: id, manifest: manifest{Escape: name, World: around.Vars}}
	if language == "python" {
		a.script = escape.Python
	}
	began := time.Now()
	p := w.open(w.install(a))
	why := p.Gate.Reason
	if why == nil || !p.Gate.Open || why.Code != asset.CodeExtensionFailed.String() {
		w.Errorf("%s, %s: the gate is %s", language, name, pretty(p.Gate))
		return false
	}
	harmed := around.Harmed(w.T, name, w.dirs.Container(group))
	held = !strings.Contains(why.Message, "ESCAPED") && !harmed
	if causes == nil {
		causes = []string{"held: 0"}
	}
	if held && !slices.ContainsFunc(causes, func(words string) bool { return strings.Contains(why.Message, words) }) {
		w.Errorf("%s, %s: the cause is told as %q; want one of %q", language, name, why.Message, causes)
	}
	w.Logf("%-6s %-16s %-8s %.1fs %.120q", language, name, map[bool]string{true: "held", false: "NOT HELD"}[held], time.Since(began).Seconds(), why.Message)
	return held
}

// The same by a user without rights.
func TestEscapesOfAnOrdinaryUserAreRecordedToo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user; this is an ordinary one already")
	}
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "larder-escape-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	disk := smallDisk(t, dir)
	for _, name := range []string{dir, disk} {
		if err := os.Chown(name, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	self := filepath.Join(dir, "service.test")
	if out, err := exec.Command("cp", exe, self).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(self, "-test.v", "-test.run", "^TestEscapesAreRecordedWithTheirCauseAndTheGateOpens$")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir, "HOME="+dir, diskVariable+"="+disk)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), "\nPASS") {
		t.Error(err)
	}
}

// smallDisk mounts a file system of 256 MiB below dir until the test ends.
func smallDisk(t *testing.T, dir string) (mounted string) {
	t.Helper()
	image, mounted := filepath.Join(dir, "image"), filepath.Join(dir, "disk")
	if err := os.Mkdir(mounted, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"truncate", "-s", "256M", image}, {"mkfs.ext4", "-q", "-m", "0", image}, {"mount", "-o", "loop", image, mounted}} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Skipf("no file system could be mounted: %v: %s", err, out)
		}
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", mounted).Run() })
	return mounted
}

// The extension's own attempt, in Go; what came of it is its error.
func init() { tryOut = tryEscape }

func tryEscape(m manifest) error {
	for name, value := range m.World {
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	var said []string
	escape.Try(m.Escape, func(line string) { said = append(said, line) })
	if m.Escape == escape.Survivors {
		time.Sleep(time.Hour) // outlives the deadline as well
	}
	slices.Sort(said)
	return errors.New(strings.Join(said, "; "))
}
