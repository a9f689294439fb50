package pack

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// python is where the interpreter itself is: what is called python3 may only look for it, each time anew.
var python = sync.OnceValues(func() (string, error) {
	if _, err := exec.LookPath("zstd"); err != nil {
		return "", err
	}
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable, end='')").Output()
	return string(out), err
})

// byThePage runs one of the readers that were written from doc/pack-format.md alone.
func byThePage(t *testing.T, script string, args ...string) (string, error) {
	t.Helper()
	name, err := python()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	out, err := exec.Command(name, append([]string{"-B", filepath.Join("..", "doc", script)}, args...)...).CombinedOutput()
	return string(out), err
}

func TestReadersWrittenFromThePageMakeTheTargetsOfTheVectors(t *testing.T) {
	const delta, fine = "delta-reader.py", "fine-reader.py"
	file := func(name string) string { return filepath.Join("testdata", "delta", name) }
	base, target := file("base.assetpack"), file("target.assetpack")
	told := map[string]string{delta: file("base-target.delta"), fine: filepath.Join("testdata", "fine", "target.fine")}
	for _, v := range [][]string{
		{delta, base, target, told[delta]},
		{delta, file("streams-base.assetpack"), file("streams-target.assetpack"), file("streams.delta")},
		{delta, file("parts-base.assetpack"), file("parts-target.assetpack"), file("parts.delta")},
		{fine, base, target, told[fine]},
		{fine, file("parts-base.assetpack"), file("parts-target.assetpack"), filepath.Join("testdata", "fine", "parts-target.fine")},
	} {
		if out, err := byThePage(t, v[0], v[1:]...); err != nil {
			t.Errorf("%s: %v\n%s", v[3], err, out)
		}
	}
	for script, name := range told {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		short := filepath.Join(t.TempDir(), "short")
		if err := os.WriteFile(short, b[:len(b)-1], 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := byThePage(t, script, base, target, short); err == nil || !strings.HasPrefix(out, "not sound: ") {
			t.Errorf("%s of %s without its last byte: %v\n%s", script, name, err, out)
		}
	}
}
