package extension

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"larder/asset"
)

// waiting bounds the requests of the other end that wait for a worker.
const waiting = 32

// A peer is either end of a session: it sends requests, matches answers, and
// hands the other end's requests to its workers. The first violation or loss of
// the connection ends it; everything pending then fails with the same error.
type peer struct {
	// serve reads a request's params at once and gives what answers it later. It
	// must not keep the message.
	serve func(m *message) (job, error)
	// lost makes an error in this end's words about the other.
	lost func(message string, cause error) error

	out     chan outgoing
	jobs    chan func()
	ctx     context.Context // ends with the session
	cancel  context.CancelCauseFunc
	workers sync.WaitGroup
	busy    atomic.Int64 // nanoseconds between requests and their answers
	secret  atomic.Bool  // what comes may hold a credential

	mu      sync.Mutex
	nextID  int64
	pending map[string]*call
	serving map[string]bool
}

// A job answers one request of the other end. A result that is a *frame is a
// line complete but for its end.
type job func(ctx context.Context) (any, error)

// An outgoing line is written by the one writer, which then closes written.
type outgoing struct {
	line    io.WriterTo
	written chan struct{}
}

type call struct {
	answer   chan *message
	consumed chan struct{}
	gone     chan struct{}
}

func (p *peer) start(r io.Reader, w io.Writer, workers int) {
	p.out, p.jobs = make(chan outgoing), make(chan func(), waiting)
	p.pending, p.serving = map[string]*call{}, map[string]bool{}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	go p.readAll(newLineReader(r))
	go p.writeAll(w)
	for range workers {
		p.workers.Go(p.work)
	}
}

// fail ends the session; only the first call counts.
func (p *peer) fail(message string, cause error) { p.cancel(p.lost(message, cause)) }

func (p *peer) work() {
	for {
		select {
		case run := <-p.jobs:
			run()
		case <-p.ctx.Done():
			return
		}
	}
}

func (p *peer) writeAll(w io.Writer) {
	for {
		select {
		case o := <-p.out:
			_, err := o.line.WriteTo(w)
			close(o.written)
			if err != nil {
				p.fail("it closed its end before a message was written", ended(err))
				return
			}
		case <-p.ctx.Done():
			return
		}
	}
}

func (p *peer) readAll(lines *lineReader) {
	for p.ctx.Err() == nil {
		f, err := lines.next()
		switch {
		case err == errLineTooLong || err == errTooMuch:
			p.fail(err.Error(), nil)
			return
		case err == io.EOF:
			p.fail("it closed the connection", ErrEnded)
			return
		case err != nil:
			p.fail("it broke off", ended(err))
			return
		}
		if m, err := parse(f); err != nil && p.secret.Load() {
			p.fail("it wrote something that is not JSON-RPC on stdout, which is not shown: it may hold a credential", nil)
		} else if err != nil {
			p.fail(fmt.Sprintf("it wrote something that is not JSON-RPC on stdout: %q (%v)", excerpt(f), err), nil)
		} else if err := p.dispatch(m); err != nil {
			p.fail(err.Error(), nil)
		}
	}
}

func ended(err error) error { return fmt.Errorf("%w: %w", ErrEnded, err) }

// dispatch gives an answer to its caller and waits until it has been read, or
// lines up a request. An error is a violation of the protocol.
func (p *peer) dispatch(m *message) error {
	if m.method != "" {
		return p.accept(m)
	}
	p.mu.Lock()
	c := p.pending[m.id]
	delete(p.pending, m.id)
	p.mu.Unlock()
	if c == nil {
		return fmt.Errorf("it answered with id %s, which no open request has", clean(m.id, 80))
	}
	select {
	case c.answer <- m:
		<-c.consumed
	case <-c.gone:
	}
	return nil
}

func (p *peer) accept(m *message) error {
	id := m.id
	p.mu.Lock()
	twice := p.serving[id]
	if id != "" {
		p.serving[id] = true
	}
	full := len(p.serving) > waiting
	p.mu.Unlock()
	if twice {
		return fmt.Errorf("it used the id %s for two requests at once", clean(id, 80))
	}
	var todo job
	err := error(&fault{Code: rpcInvalidRequest, Message: fmt.Sprintf("more than %d requests wait at once", waiting)})
	if !full {
		todo, err = p.serve(m)
	}
	if err != nil {
		p.reply(id, nil, err)
		return nil
	}
	run := func() {
		result, err := todo(p.ctx)
		p.reply(id, result, err)
	}
	select {
	case p.jobs <- run:
	case <-p.ctx.Done():
	}
	return nil
}

// reply answers the request id; a notification (no id) gets no answer.
func (p *peer) reply(id string, result any, err error) {
	if id == "" {
		return
	}
	p.mu.Lock()
	delete(p.serving, id)
	p.mu.Unlock()
	if f, ok := result.(*frame); ok && err == nil {
		_ = p.send(p.ctx, f)
		return
	}
	a := answerLine{Version: "2.0", ID: json.RawMessage(id), Result: result}
	if err != nil {
		a.Result, a.Error = nil, faultOf(err)
	} else if result == nil {
		a.Result = struct{}{}
	}
	line, err := encode(a)
	if err != nil {
		a.Result, a.Error = nil, faultOf(&asset.Error{Code: asset.CodeTooLarge, Op: "answer", Message: err.Error()})
		if line, err = encode(a); err != nil {
			return
		}
	}
	_ = p.send(p.ctx, bytesLine(line))
}

// bytesLine is a line as an io.WriterTo.
type bytesLine []byte

// WriteTo writes the line.
func (b bytesLine) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(b)
	return int64(n), err
}

// send hands line to the writer.
func (p *peer) send(ctx context.Context, line io.WriterTo) error {
	return p.hand(ctx, outgoing{line, make(chan struct{})})
}

func (p *peer) hand(ctx context.Context, o outgoing) error {
	select {
	case p.out <- o:
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// notify sends a notification and returns when it has been written.
func (p *peer) notify(ctx context.Context, method string) error {
	if ctx == nil {
		return badCall(method, noContext)
	}
	line, err := encode(requestLine{Version: "2.0", Method: method})
	if err != nil {
		return err
	}
	o := outgoing{bytesLine(line), make(chan struct{})}
	if err := p.hand(ctx, o); err != nil {
		return err
	}
	select {
	case <-o.written:
		return nil
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// call sends a request and lets read have the answer, which is good until read
// returns. A fault is read's business too. When ctx ends first, a late answer is
// dropped.
func (p *peer) call(ctx context.Context, method string, params any, read func(m *message) error) error {
	if ctx == nil {
		return badCall(method, noContext)
	}
	c := &call{answer: make(chan *message), consumed: make(chan struct{}), gone: make(chan struct{})}
	p.mu.Lock()
	p.nextID++
	id := p.nextID
	p.pending[strconv.FormatInt(id, 10)] = c
	p.mu.Unlock()
	defer close(c.gone)
	line, err := encode(requestLine{Version: "2.0", ID: &id, Method: method, Params: params})
	if err != nil {
		p.forget(id)
		return &asset.Error{Code: asset.CodeTooLarge, Op: "ask", Subject: method, Message: err.Error()}
	}
	began := time.Now()
	if err := p.send(ctx, bytesLine(line)); err != nil {
		p.forget(id)
		return err
	}
	select {
	case m := <-c.answer:
		p.busy.Add(int64(time.Since(began)))
		defer close(c.consumed)
		return read(m)
	case <-ctx.Done():
		err = ctx.Err()
	case <-p.ctx.Done():
		err = context.Cause(p.ctx)
	}
	p.busy.Add(int64(time.Since(began)))
	return err
}

// forget drops a call whose request was never sent.
func (p *peer) forget(id int64) {
	p.mu.Lock()
	delete(p.pending, strconv.FormatInt(id, 10))
	p.mu.Unlock()
}

// remoteError turns a fault into the error of this end's caller: the asset.Error
// it carries, or one in the words of lost.
func (p *peer) remoteError(f *fault) error {
	if e := f.typed(); e != nil {
		return e
	}
	return p.lost("it answered with an error: "+clean(f.Message, 1024), nil)
}

const noContext = "its context is nil"

// badCall is a fault of this end's own caller.
func badCall(subject, message string) error {
	return &asset.Error{Code: asset.CodeBadRequest, Op: "call extension protocol", Subject: subject, Message: message}
}

func isUnknownMethod(f *fault) bool { return f != nil && f.Code == rpcUnknownMethod }
