//go:build unix && !linux

package fence

import "os/exec"

var roles = map[string]func(){roleModule: moduleMain}

const whyBare = "this system has no fence that a program without privileges can build and that is documented"

func start(spec Spec) (*Process, error) { return startBare(spec, whyBare) }

// Probe says how far a fence goes on this machine.
func Probe() Level { return bareLevel(whyBare) }

// awaitExit waits until the process has ended. Its number is then free for a
// moment before the group is killed.
func awaitExit(cmd *exec.Cmd) { _ = cmd.Wait() }
