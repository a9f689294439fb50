package fence

import (
	"os/exec"

	"golang.org/x/sys/unix"
)

// awaitExit waits until the process has ended, and leaves its number taken.
func awaitExit(cmd *exec.Cmd) {
	for unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}
