package pack

// keeper makes fetched bytes durable from time to time, while more come: so a power cut
// costs a bounded part of a download. One goroutine has it.
type keeper struct {
	sync  func() error
	every int64 // bytes
	since int64 // fetched since the last sync began
	done  chan error
}

// unsynced is the least number of fetched bytes between two syncs: some seconds of a
// fast line. A variable for tests.
var unsynced int64 = 64 << 20

// maxSyncs bounds the syncs of one download: where each file has to be synced by itself,
// one costs as much as the tree has files.
const maxSyncs = 32

// fetched counts bytes that are in their files. It waits only when the sync before has not
// ended yet.
func (k *keeper) fetched(n int64) error {
	if k.since += n; k.since < k.every {
		return nil
	}
	err := k.wait()
	k.since, k.done = 0, make(chan error, 1)
	go func(done chan<- error) { done <- k.sync() }(k.done)
	return err
}

// wait ends when no sync is under way.
func (k *keeper) wait() error {
	if k.done == nil {
		return nil
	}
	err := <-k.done
	k.done = nil
	return err
}
