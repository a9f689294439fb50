package install

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Another implementation of the reader, in another language and from the format's page
// alone, sees the same shelf, and its lease counts.
func TestAShelfReaderWrittenFromThePageAgrees(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	script := filepath.Join("..", "..", "doc", "shelf-reader.py")
	python := func(args ...string) (string, error) {
		out, err := exec.Command("python3", append([]string{"-B", script}, args...)...).CombinedOutput()
		return string(out), err
	}
	dir := t.TempDir()
	s := openStore(t, dir, Options{})
	defer s.Close()
	if out, err := python(dir); err != nil || out != "" {
		t.Errorf("an empty shelf: %q, %v", out, err)
	}
	all, de := publish(t, "all", 1, tree{"menu": "menu", "dir/x": "x", "link": "→dir/x"}), publish(t, "de", 1, tree{"menu": "Speisekarte"})
	de.Language = "de"
	install(t, s, all, de)
	want := fmt.Sprintf("all 1 %v %d -\nde 1 %v %d de\n", all.Content, len("menu")+1, de.Content, len("Speisekarte"))
	if out, err := python(dir); err != nil || out != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
	for args, want := range map[string]string{"menu": "menu", "menu de": "Speisekarte", "menu fr de": "Speisekarte", "dir/x": "x", "link": "x"} {
		if out, err := python(append([]string{dir}, strings.Fields(args)...)...); err != nil || out != want {
			t.Errorf("%s: %q, %v; want %q", args, out, err, want)
		}
	}
	for _, path := range []string{"none", "../index", "dir", "dir//x"} {
		if out, err := python(dir, path); err == nil {
			t.Errorf("%s: %q", path, out)
		}
	}

	holder := exec.Command("python3", "-B", script, "--hold", dir)
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "holding view 1"; {
	}
	install(t, s, publish(t, "all", 2, tree{"menu": "new"}))
	if out, err := s.Prune(t.Context(), nil); err != nil || out != (Pruned{Held: 1}) {
		t.Errorf("with its lease: %+v, %v", out, err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if err := holder.Wait(); err != nil {
		t.Error(err)
	}
	if out, err := s.Prune(t.Context(), nil); err != nil || out != (Pruned{Views: 1, Trees: 1}) {
		t.Errorf("without: %+v, %v", out, err)
	}
	if out, err := python(dir, "menu"); err != nil || out != "new" {
		t.Errorf("%q, %v", out, err)
	}

	// It passes torn views over, and says when it is too old.
	body := `{"number":4,"requires":["sealed"]}`
	for n, data := range map[int]string{3: "larder view 1\n", 4: fmt.Sprintf("larder view 1\n%x\n%s", sha256.Sum256([]byte(body)), body)} {
		if err := os.WriteFile(s.viewPath(int64(n)), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		if n == 3 {
			continue
		}
		if out, err := python(dir); err == nil || !strings.Contains(out, "too old") {
			t.Errorf("%q, %v", out, err)
		}
		if err := os.Remove(s.viewPath(4)); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := python(dir, "menu"); err != nil || out != "new" {
		t.Errorf("with a torn view: %q, %v", out, err)
	}
}
