package fence

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"larder/internal/fence/escape"
)

// The test binary is also the supervisor, and the hostile program.
func TestMain(m *testing.M) {
	Main()
	if filepath.Base(os.Args[0]) == "hostile" {
		escape.Try(os.Getenv("ESCAPE"), func(line string) { fmt.Println(line) })
		syscall.Exit(0) // at once: the race detector would make os.Exit wait a second
	}
	os.Exit(m.Run())
}
