//go:build !unix || darwin

package dirs

import (
	"os"
	"path/filepath"
)

func system() (Dirs, error) {
	base, err := os.UserConfigDir() // ~/Library/Application Support, %AppData%
	if err != nil {
		return Dirs{}, configuration("find data directory", "home", err)
	}
	data := filepath.Join(base, "Larder")
	return Dirs{Data: data, Run: runFor(data)}, nil
}
