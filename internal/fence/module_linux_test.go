//go:build !race

package fence

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The same is tried from inside: behind the whole fence, and behind none but
// WebAssembly itself, which is what other systems have.
func TestAModuleDoesNotGetOut(t *testing.T) {
	w := newWorld(t)
	module := filepath.Join(w.bundle, "hostile.wasm")
	buildModule(t, module)
	for _, layers := range []string{"", "none"} {
		t.Run(orBest(layers), func(t *testing.T) {
			w := newWorld(t)
			for name, target := range map[string]string{"planted": w.outside + "/secret", "planteddir": w.outside, "sideways": "../inbox/other"} {
				if err := os.Symlink(target, filepath.Join(w.container, name)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(w.container, "inside"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(w.bundle, "hostile.wasm")
			copyFile(t, module, path)
			spec := Spec{Path: path, Container: w.container, Inbox: w.inbox}
			env := append(w.env, "LARDER_GROUP_CONTAINER="+spec.Guest(w.container), "PWD="+spec.Guest(w.container), "INBOX="+spec.Guest(w.inbox))
			got := w.runProgram(t, path, env, layers)
			t.Logf("%s: %+v\n%s", got.level.Name, got.end, got.out)
			if strings.Contains(got.out, "ESCAPED") || strings.Contains(got.out, "BROKEN") || !strings.Contains(got.out, "held: start") || w.harmed(t, Files) {
				t.Error("see above")
			}
			if got.end.Exit != 2 || !strings.Contains(got.out, "out of memory") {
				t.Errorf("its memory met no limit: %+v", got.end)
			}
		})
	}
}
