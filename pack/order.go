package pack

import (
	"context"
	"sync"
)

// inOrder runs a pipeline: produce emits jobs, n workers work on them, and
// finish gets them one by one in the order of emission, each with its worker's
// error. The first error of finish, or the first cancellation, ends it. At most
// three jobs per worker exist at a time.
func inOrder[J any](ctx context.Context, n int, produce func(emit func(J) error) error, work func(*J) error, finish func(*J, error) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type slot struct {
		job  J
		err  error
		done chan struct{}
	}
	queue, line := make(chan *slot, n), make(chan *slot, 2*n)
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			for s := range queue {
				if s.err = context.Cause(ctx); s.err == nil {
					s.err = work(&s.job)
				}
				close(s.done)
			}
		})
	}
	group.Go(func() {
		for s := range line {
			<-s.done
			if ctx.Err() != nil {
				continue
			}
			if err := finish(&s.job, s.err); err != nil {
				cancel(err)
			}
		}
	})
	err := produce(func(job J) error {
		s := &slot{job: job, done: make(chan struct{})}
		select {
		case line <- s:
			queue <- s // its readers never stop before it is closed
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(queue)
	close(line)
	group.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
