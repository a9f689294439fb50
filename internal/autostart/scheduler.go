package autostart

import (
	"context"
	"encoding/binary"
	"errors"
	"os/exec"
	"path/filepath"
	"unicode/utf16"
)

// scheduler starts the service by a task of the Windows Task Scheduler at logon.
// The task runs "larder service start", which leaves a service without a console
// window behind and ends; a service that fails is started again by the next
// command that needs it.
type scheduler struct{ Config }

func (s scheduler) name() string { return "Task Scheduler" }

func (s scheduler) task() string { return "Larder" + s.suffix("-") }

// files has the task as text beside the data; schtasks wants it in UTF-16.
func (s scheduler) files() []file {
	text := words{Program: s.Program, Data: s.Data, User: s.User}.render("task")
	units := utf16.Encode([]rune("\ufeff" + string(text)))
	data := make([]byte, 0, 2*len(units))
	for _, u := range units {
		data = binary.LittleEndian.AppendUint16(data, u)
	}
	return []file{{filepath.Join(s.Dirs.Data, "logon-task.xml"), data}}
}

func (s scheduler) available(ctx context.Context) error {
	out, err := s.Exec(ctx, "schtasks", "/Query", "/TN", `\`, "/FO", "LIST")
	var ran *exec.ExitError
	if err == nil || errors.As(err, &ran) || ctx.Err() != nil { // an empty folder is an error too
		return ctx.Err()
	}
	return absent("the Task Scheduler cannot be reached: "+lastLine(out, err), "each larder command starts the service when none runs")
}

func (s scheduler) verify(context.Context) error { return nil }

func (s scheduler) enable(ctx context.Context) error {
	if err := s.call(ctx, "schtasks", "/Create", "/F", "/TN", s.task(), "/XML", s.files()[0].path); err != nil {
		return err
	}
	return s.start(ctx)
}

func (s scheduler) remove(ctx context.Context) error {
	var err error
	if _, missing := s.Exec(ctx, "schtasks", "/Query", "/TN", s.task()); missing == nil {
		err = s.call(ctx, "schtasks", "/Delete", "/F", "/TN", s.task())
	}
	return errors.Join(err, removeFiles(s.files()[0].path))
}

func (s scheduler) start(ctx context.Context) error {
	return s.call(ctx, "schtasks", "/Run", "/TN", s.task())
}

func (s scheduler) state(ctx context.Context) string {
	if _, err := s.Exec(ctx, "schtasks", "/Query", "/TN", s.task()); err != nil {
		return "there is no task " + s.task()
	}
	return "task " + s.task()
}

func (s scheduler) logs(int, bool) []string { return nil }
