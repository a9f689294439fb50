//go:build unix && !darwin

package dirs

import (
	"os"
	"path/filepath"
)

func system() (Dirs, error) {
	data := os.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(data) {
		home, err := os.UserHomeDir()
		if err != nil {
			return Dirs{}, configuration("find data directory", "HOME", err)
		}
		data = filepath.Join(home, ".local", "share")
	}
	d := Dirs{Data: filepath.Join(data, "larder")}
	d.Run = runFor(d.Data)
	run := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "larder", Short(d.Data))
	if filepath.IsAbs(run) && len(run) <= maxSocketPath {
		d.Run = run
	}
	return d, nil
}
