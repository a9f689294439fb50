package fence

import (
	"fmt"
	"time"
)

const (
	diskEvery   = 20 * time.Millisecond
	memoryEvery = 60 * time.Millisecond
	tasksEvery  = 120 * time.Millisecond
)

// watch ends the program when all that runs below root together takes too much
// memory, has too many processes and threads, or when the disk is nearly full.
func (p *Process) watch(root int, s Spec) {
	tick := time.NewTicker(diskEvery)
	defer tick.Stop()
	limit, floor := memoryOf(s), int64(0)
	if free, err := freeBytes(s.Container); err == nil {
		floor = floorFor(free)
	}
	var list []process
	for look := time.Duration(0); ; look += diskEvery {
		select {
		case <-p.done:
			return
		case <-tick.C:
		}
		if free, err := freeBytes(s.Container); err == nil && free < floor {
			p.stop(fmt.Sprintf("the disk is nearly full: %d MiB were left while it ran", free>>20))
		}
		if look%tasksEvery == 0 {
			list = descendants(root)
			tasks := 0
			for _, d := range list {
				tasks += d.threads
			}
			if tasks > maxTasks {
				p.stop(fmt.Sprintf("it had %d processes and threads; %d are allowed", tasks, maxTasks))
			}
		}
		if look%memoryEvery == 0 {
			used := memoryUsed(list, limit)
			if used > limit {
				p.stop(fmt.Sprintf("it used %d MiB of memory; %d MiB are allowed", used>>20, s.Memory>>20))
			}
		}
	}
}
