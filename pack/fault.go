package pack

import (
	"errors"
	"fmt"
	"syscall"

	"larder/asset"
)

func fault(code asset.Code, op, subject, format string, args ...any) *asset.Error {
	return &asset.Error{Code: code, Op: op, Subject: subject, Message: fmt.Sprintf(format, args...), Help: help[code]}
}

var help = map[asset.Code]string{
	asset.CodeSizeMismatch:  "fetch the pack again; when building, let nothing change the files meanwhile",
	asset.CodeHashMismatch:  "fetch the pack again, or build it again from its files",
	asset.CodeConfiguration: "change the files that go into the pack",
	asset.CodePathCollision: "rename one of the two, so that every system can hold both",
	asset.CodeTooLarge:      "divide it into several packs",
	asset.CodeDoesNotFit:    "install a newer version of Larder",
	asset.CodeNoSpace:       "free some space and try again",
	asset.CodeState:         "begin with an empty directory",
}

// disk wraps an error of the file system. Errors that are typed already, and
// cancellation, pass unchanged.
func disk(op, subject string, err error) error {
	var typed *asset.Error
	if err == nil || errors.As(err, &typed) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &asset.Error{Code: asset.CodeNoSpace, Op: op, Subject: subject, Message: "the disk is full", Help: help[asset.CodeNoSpace], Err: err}
	}
	return fmt.Errorf("%s %s: %w", op, subject, err)
}

func at(what string, offset int64) string { return fmt.Sprintf("%s at byte %d", what, offset) }
