package exthost

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"unicode"
)

// Bounds of what a session may log.
const (
	maxLogLine  = 4 << 10
	maxLogLines = 1000
)

// A logReader empties an extension's standard error, whatever comes, so that the
// extension never blocks on it, and passes on what the bounds allow.
type logReader struct {
	file *os.File
	done chan struct{}
	text atomic.Value // string: the last line that was not empty
}

func readLog(file *os.File, log func(string)) *logReader {
	l := &logReader{file: file, done: make(chan struct{})}
	l.text.Store("")
	go func() {
		defer close(l.done)
		if more := l.lines(log); more > 0 {
			log(fmt.Sprintf("… and %d more lines", more))
		}
	}()
	return l
}

// lines reads to the end and gives the number of lines that were not passed on.
func (l *logReader) lines(log func(string)) (more int) {
	in := bufio.NewReaderSize(l.file, maxLogLine)
	for count := 0; ; {
		part, err := in.ReadSlice('\n')
		line := printable(string(part))
		if line != "" {
			l.text.Store(line)
			if count++; count <= maxLogLines {
				log(line)
			} else {
				more++
			}
		}
		for err == bufio.ErrBufferFull {
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			return more
		}
	}
}

// hurry bounds the time that is left for reading, in case a process outside the
// group holds the other end open.
func (l *logReader) hurry() { hurry(l.file) }

// last is the last line, cut to what fits an error message.
func (l *logReader) last() string {
	s := l.text.Load().(string)
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return strings.TrimRight(s, " ")
}
