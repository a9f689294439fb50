package service

import (
	"syscall"
	"time"
)

// cpuTime is what this process has had of the processors. Unlike the clock it does
// not depend on what else the machine does.
func cpuTime() time.Duration {
	self, err := syscall.GetCurrentProcess()
	var created, ended, kernel, user syscall.Filetime
	if err == nil {
		err = syscall.GetProcessTimes(self, &created, &ended, &kernel, &user)
	}
	if err != nil {
		panic(err)
	}
	ticks := func(t syscall.Filetime) int64 { return int64(t.HighDateTime)<<32 + int64(t.LowDateTime) }
	return 100 * time.Duration(ticks(kernel)+ticks(user))
}
