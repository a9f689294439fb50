package extension

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"larder/asset"
)

// says is a session whose extension reads one line and then says what it is told
// to, whatever the line was, and ends.
func says(t *testing.T, answer io.Reader) *Session {
	t.Helper()
	toExt, fromService := io.Pipe()
	toService, fromExt := io.Pipe()
	go func() {
		if _, err := newLineReader(toExt).next(); err == nil {
			io.Copy(fromExt, answer)
		}
		fromExt.Close()
		io.Copy(io.Discard, toExt)
	}()
	t.Cleanup(func() { fromService.Close(); toService.Close() })
	return NewSession(toService, fromService, nil)
}

const ok1 = `{"jsonrpc":"2.0","id":1,"result":`

func TestBrokenAnswersAreErrors1007InPlainWords(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for name, c := range map[string]struct{ answer, want string }{
		"stray line":        {"hello world\n", `not JSON-RPC on stdout: "hello world"`},
		"stray colours":     {"\x1b[31mred\n", `not JSON-RPC on stdout: "[31mred"`},
		"empty line":        {"\n", "not JSON-RPC"},
		"array":             {"[1]\n", "not JSON-RPC"},
		"no version":        {`{"id":1,"result":{"downloads":[]}}` + "\n", "not JSON-RPC"},
		"cut JSON":          {ok1 + `{"downloads":[{"identifier":"a"}` + "\n", "not JSON-RPC"},
		"cut line":          {ok1 + `{"downloads":[{"identifier":"a"}`, "it broke off"},
		"nothing":           {"", "it closed the connection"},
		"unknown id":        {`{"jsonrpc":"2.0","id":7,"result":{}}` + "\n", "id 7, which no open request has"},
		"text for a number": {`{"jsonrpc":"2.0","id":"1","result":{}}` + "\n", "which no open request has"},
		"null id":           {`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}` + "\n", "its id is neither"},
		"request twice":     {strings.Repeat(`{"jsonrpc":"2.0","id":1,"result":{"downloads":[]}}`+"\n", 2), ""},
		"result and error":  {`{"jsonrpc":"2.0","id":1,"result":1,"error":{"code":1,"message":"x"}}` + "\n", "not a JSON-RPC 2.0 message"},
		"deep":              {ok1 + deep + "}\n", "nested more than 64 levels"},
		"result null":       {ok1 + "null}\n", "its answer is not an object"},
		"no downloads":      {ok1 + "{}}\n", "no member named downloads"},
		"downloads twice":   {ok1 + `{"downloads":[],"downloads":[]}}` + "\n", "two members"},
		"not an array":      {ok1 + `{"downloads":{}}}` + "\n", "not an array"},
		"not an object":     {ok1 + `{"downloads":[3]}}` + "\n", "download 1 of its answer cannot be read: it is not an object"},
		"wrong type":        {ok1 + `{"downloads":[{"identifier":"a"},{"fileSize":"x"}]}}` + "\n", "download 2 of its answer cannot be read"},
		"big member":        {ok1 + `{"downloads":[{"url":"` + strings.Repeat("x", 200<<10) + `"}]}}` + "\n", `its member "url" is 204802 bytes`},
		"many headers":      {ok1 + `{"downloads":[{"headers":{` + strings.Repeat(`"a":"b",`, 20000) + `"a":"b"}}]}}` + "\n", `its member "headers"`},
		"big download":      {ok1 + `{"downloads":[{` + strings.Repeat(`"a":"`+strings.Repeat("x", 100<<10)+`",`, 25) + `"b":1}]}}` + "\n", "2097152 are allowed"},
		"too many":          {ok1 + `{"downloads":[` + strings.Repeat(`{},`, MaxDownloads) + `{}]}}` + "\n", "65537 downloads; 65536 are allowed"},
		"its own words":     {`{"jsonrpc":"2.0","id":1,"error":{"code":5,"message":"no\u001b[2J luck"}}` + "\n", "it answered with an error: no [2J luck"},
		"null data":         {`{"jsonrpc":"2.0","id":1,"error":{"code":5,"message":"no luck","data":null}}` + "\n", "no luck"},
	} {
		t.Run(name, func(t *testing.T) {
			s := says(t, strings.NewReader(c.answer))
			_, err := collect(s, DownloadsRequest{})
			if c.want == "" {
				if <-s.Done(); err != nil || !strings.Contains(s.Err().Error(), "which no open request has") {
					t.Errorf("%v, then %v", err, s.Err())
				}
				return
			}
			if asset.CodeOf(err) != asset.CodeExtensionFailed || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant 1007 with %q", err, c.want)
			}
		})
	}
}

func TestACutAnswerGivesNoDownloadBeforeTheError(t *testing.T) {
	got, err := collect(says(t, strings.NewReader(ok1+`{"downloads":[{"identifier":"a"},`)), DownloadsRequest{})
	if err == nil || len(got) != 0 || !errors.Is(err, ErrEnded) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestUnknownNotificationsAreIgnored(t *testing.T) {
	s := says(t, strings.NewReader(`{"jsonrpc":"2.0","method":"progress","params":[1]}`+"\n"+ok1+`{"downloads":[{"identifier":"a"}]}}`+"\r\n"))
	if got, err := collect(s, DownloadsRequest{}); err != nil || len(got) != 1 {
		t.Error(got, err)
	}
}

func TestAnErrorOfEachIsReturnedAsItIs(t *testing.T) {
	s := says(t, strings.NewReader(ok1+`{"downloads":[{},{}]}}`+"\n"))
	mine, calls := errors.New("mine"), 0
	err := s.Downloads(context.Background(), DownloadsRequest{}, func(asset.Download) error { calls++; return mine })
	if err != mine || calls != 1 {
		t.Error(err, calls)
	}
}

func TestTheExtensionsOwnErrorComesThroughBounded(t *testing.T) {
	s := says(t, strings.NewReader(`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"m","data":{"code":1002,"op":"check","message":"`+strings.Repeat("x", 1<<20)+`"}}}`+"\n"))
	_, err := collect(s, DownloadsRequest{})
	if asset.CodeOf(err) != asset.CodeHashMismatch || len(err.Error()) > 1100 {
		t.Errorf("%d bytes: %.80s", len(err.Error()), err)
	}
}

// endless is a line that never ends.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read.Add(int64(len(p)))
	return len(p), nil
}

func TestAnEndlessLineIsReadNoFurtherThan16MiB(t *testing.T) {
	e := &endless{}
	_, err := collect(says(t, e), DownloadsRequest{})
	if asset.CodeOf(err) != asset.CodeExtensionFailed || !strings.Contains(err.Error(), "longer than 16 MiB") {
		t.Error(err)
	}
	if n := e.read.Load(); n > MaxLine+1<<20 {
		t.Errorf("%d bytes were read", n)
	}
}

func TestASessionIsReadNoFurtherThan256MiB(t *testing.T) {
	note := []byte(`{"jsonrpc":"2.0","method":"x","params":"` + strings.Repeat("y", 8<<20) + `"}` + "\n")
	lines, read := newLineReader(&repeat{text: note}), 0
	for {
		f, err := lines.next()
		if err == errTooMuch {
			break
		}
		if read += f.n; err != nil || read > MaxSession {
			t.Fatalf("%v after %d bytes", err, read)
		}
	}
}

type repeat struct {
	text []byte
	pos  int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.text[r.pos:])
	r.pos = (r.pos + n) % len(r.text)
	return n, nil
}

func TestA16MiBAnswerIsHandedOnWithoutEverBeingOneValue(t *testing.T) {
	one := fmt.Sprintf(`{"identifier":"%s","url":"https://x.example/"},`, strings.Repeat("a", 400))
	count := (MaxLine - 200) / len(one)
	line := ok1 + `{"downloads":[` + strings.Repeat(one, count) + `{}]}}` + "\n"
	s := says(t, strings.NewReader(line))
	var most, before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n := 0
	err := s.Downloads(context.Background(), DownloadsRequest{}, func(asset.Download) error {
		if n++; n%20000 == 1 {
			runtime.GC()
			runtime.ReadMemStats(&most)
			if grown := int64(most.HeapAlloc) - int64(before.HeapAlloc); grown > 20<<20 {
				t.Errorf("%d MiB live at download %d", grown>>20, n)
			}
		}
		return nil
	})
	if err != nil || n != count+1 {
		t.Fatal(n, err)
	}
}

func TestALateAnswerIsDroppedAndTheSessionGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := sleeper{}
		toExt, fromService := io.Pipe()
		toService, fromExt := io.Pipe()
		go Run(context.Background(), toExt, fromExt, slow, Config{})
		s := NewSession(toService, fromService, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := s.Downloads(ctx, DownloadsRequest{}, func(asset.Download) error { return nil })
		if err != context.DeadlineExceeded {
			t.Error(err)
		}
		if _, err := collect(s, DownloadsRequest{}); err != nil {
			t.Error(err)
		}
		if used := s.Used(); used != 20*time.Second {
			t.Errorf("Used = %v, want 1 s and the 19 s that the second waited", used)
		}
		fromService.Close()
		fromExt.Close()
	})
}

type sleeper struct{}

func (sleeper) Downloads(context.Context, Request) ([]asset.Download, error) {
	time.Sleep(10 * time.Second)
	return nil, nil
}

func TestRequestsOfTheExtensionAreBounded(t *testing.T) {
	release := make(chan struct{})
	toService, fromExt := io.Pipe()
	toExt, fromService := io.Pipe()
	s := NewSession(toService, fromService, blocker{book: &book{}, release: release})
	defer s.Close()
	go func() {
		for i := range 40 {
			fmt.Fprintf(fromExt, `{"jsonrpc":"2.0","id":%d,"method":"acquireExclusiveControl"}`+"\n", i)
		}
	}()
	lines := newLineReader(toExt)
	for range 8 {
		f, err := lines.next()
		if err != nil {
			t.Fatal(err)
		}
		if m, err := parse(f); err != nil || m.fault == nil || !strings.Contains(m.fault.Message, "more than 32 requests") {
			t.Fatalf("%+v %v", m, err)
		}
	}
	close(release)
	for range 32 {
		f, err := lines.next()
		if err != nil {
			t.Fatal(err)
		}
		if m, err := parse(f); err != nil || m.fault != nil {
			t.Fatalf("%+v %v", m, err)
		}
	}
	fmt.Fprint(fromExt, `{"jsonrpc":"2.0","id":99,"method":"scheduleDownload"}`+"\n")
	f, _ := lines.next()
	if m, err := parse(f); err != nil || m.fault == nil || m.fault.Code != rpcInvalidParams {
		t.Errorf("%+v %v", m, err)
	}
	fromExt.Close()
	<-s.Done()
}

func TestTheSameIdForTwoRequestsAtOnceEndsTheSession(t *testing.T) {
	toService, fromExt := io.Pipe()
	s := NewSession(toService, io.Discard, blocker{book: &book{}, release: make(chan struct{})})
	go fmt.Fprint(fromExt, strings.Repeat(`{"jsonrpc":"2.0","id":"a","method":"acquireExclusiveControl"}`+"\n", 2))
	<-s.Done()
	if !strings.Contains(s.Err().Error(), "two requests at once") {
		t.Error(s.Err())
	}
	fromExt.Close()
}

type blocker struct {
	*book
	release chan struct{}
}

func (b blocker) AcquireExclusiveControl(ctx context.Context, _ time.Time) error {
	select {
	case <-b.release:
	case <-ctx.Done():
	}
	return nil
}
