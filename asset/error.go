package asset

import (
	"errors"
	"strconv"
)

// Code is the number of an error: Apple's below 1000 (classic §5, managed §4),
// ours from 1000.
type Code int

// Apple's codes, in BAErrorDomain (classic §5).
const (
	CodeDownloadInvalid              Code = 0
	CodeCallFromExtensionNotAllowed  Code = 50
	CodeCallFromInactiveProcess      Code = 51
	CodeConnectionNotAccepted        Code = 55
	CodeConnectionInvalid            Code = 56
	CodeAlreadyScheduled             Code = 100
	CodeNotScheduled                 Code = 101
	CodeFailedToStart                Code = 102
	CodeAlreadyFailed                Code = 103
	CodeEssentialNotPermitted        Code = 109
	CodeBackgroundActivityProhibited Code = 111
	CodeWouldExceedAllowance         Code = 112
	CodeDownloadDoesNotExist         Code = 113
	CodeDisallowedByDomain           Code = 202
	CodeDisallowedByAllowance        Code = 203
	CodeAllowanceExceeded            Code = 204
	CodeNotPermittedBeforeAppLaunch  Code = 206
	CodeCancelled                    Code = -999 // in NSURLErrorDomain
)

// Apple's codes, in BAManagedErrorDomain (managed §4): an Error that has one says so in
// its Domain, for they count from 0 again.
const (
	CodeManagedPackNotFound Code = 0
	CodeManagedFileNotFound Code = 1
	CodeManagedAvailability Code = 2 // of a batch, some packs did not become available
)

// Our codes, in the domain "larder".
const (
	CodeConfiguration   Code = 1000
	CodeSizeMismatch    Code = 1001
	CodeHashMismatch    Code = 1002
	CodeRedirectRefused Code = 1003
	CodeNoSpace         Code = 1004
	CodeSignature       Code = 1005
	CodeExpiredMetadata Code = 1006
	CodeExtensionFailed Code = 1007
	CodeDoesNotFit      Code = 1008
	CodePathCollision   Code = 1009
	CodeNetwork         Code = 1010 // no connection, or it broke
	CodeServer          Code = 1011 // the server answered with an error
	CodeTooLarge        Code = 1012 // more bytes than the bound for this kind of thing
	CodeNotFound        Code = 1013 // no such app, download or endpoint
	CodeBadRequest      Code = 1014 // a call with wrong or missing arguments
	CodeState           Code = 1015 // the call does not fit the present state
	CodeInternal        Code = 1099 // a fault of Larder itself
)

var codeNames = map[Code]string{
	CodeDownloadInvalid: "downloadInvalid", CodeCallFromExtensionNotAllowed: "callFromExtensionNotAllowed",
	CodeCallFromInactiveProcess: "callFromInactiveProcessNotAllowed", CodeConnectionNotAccepted: "callerConnectionNotAccepted",
	CodeConnectionInvalid: "callerConnectionInvalid", CodeAlreadyScheduled: "downloadAlreadyScheduled",
	CodeNotScheduled: "downloadNotScheduled", CodeFailedToStart: "downloadFailedToStart", CodeAlreadyFailed: "downloadAlreadyFailed",
	CodeEssentialNotPermitted: "downloadEssentialDownloadNotPermitted", CodeBackgroundActivityProhibited: "downloadBackgroundActivityProhibited",
	CodeWouldExceedAllowance: "downloadWouldExceedAllowance", CodeDownloadDoesNotExist: "downloadDoesNotExist",
	CodeDisallowedByDomain: "sessionDownloadDisallowedByDomain", CodeDisallowedByAllowance: "sessionDownloadDisallowedByAllowance",
	CodeAllowanceExceeded: "sessionDownloadAllowanceExceeded", CodeNotPermittedBeforeAppLaunch: "sessionDownloadNotPermittedBeforeAppLaunch",
	CodeCancelled: "cancelled", CodeConfiguration: "configuration", CodeSizeMismatch: "sizeMismatch", CodeHashMismatch: "hashMismatch",
	CodeRedirectRefused: "redirectRefused", CodeNoSpace: "noSpace", CodeSignature: "signature", CodeExpiredMetadata: "expiredMetadata",
	CodeExtensionFailed: "extensionFailed", CodeDoesNotFit: "doesNotFit", CodePathCollision: "pathCollision", CodeNetwork: "network",
	CodeServer: "server", CodeTooLarge: "tooLarge", CodeNotFound: "notFound", CodeBadRequest: "badRequest", CodeState: "state",
	CodeInternal: "internal",
}

// String is the code's name, as used in Reason.Code.
func (c Code) String() string {
	if s, ok := codeNames[c]; ok {
		return s
	}
	return "code " + strconv.Itoa(int(c))
}

// Domains of error codes.
const (
	DomainLarder  = "larder"
	DomainBA      = "BAErrorDomain"
	DomainManaged = "BAManagedErrorDomain"
	DomainURL     = "NSURLErrorDomain"
)

// Error is the one error that crosses an API of Larder. The same text stands in
// CLI, API and log: "op subject: message". Help is for people and stands apart.
type Error struct {
	Code    Code   `json:"code"`
	Domain  string `json:"domain"`            // empty means the code's own; see DomainOf
	Op      string `json:"op"`                // what was being done: "fetch", "read bundle"
	Subject string `json:"subject,omitempty"` // what it was done to: a path, key, URL (redacted) or pack
	Message string `json:"message"`           // what happened
	Help    string `json:"help,omitempty"`    // what to do
	Err     error  `json:"-"`                 // the cause, if any
}

// Error gives "op subject: message: cause".
func (e *Error) Error() string {
	s := e.Op
	if e.Subject != "" {
		s += " " + e.Subject
	}
	s += ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// DomainOf is e.Domain, or the domain its code belongs to.
func (e *Error) DomainOf() string {
	switch {
	case e.Domain != "":
		return e.Domain
	case e.Code == CodeCancelled:
		return DomainURL
	case e.Code >= 1000:
		return DomainLarder
	}
	return DomainBA
}

// Is matches another *Error of the same code and domain, so that
// errors.Is(err, asset.Sentinel(asset.CodeAlreadyScheduled)) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.DomainOf() == e.DomainOf()
}

// Sentinel is an error to compare with, by code.
func Sentinel(c Code) *Error { return &Error{Code: c} }

// CodeOf is the code of the first *Error in err's chain, or CodeInternal.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// AsError turns any error into an *Error fit to cross an API: the first *Error
// in the chain with its cause folded into the message, or CodeInternal.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		return &Error{Code: CodeInternal, Domain: DomainLarder, Op: "larder", Message: err.Error()}
	}
	flat := *e
	flat.Domain = e.DomainOf()
	if e.Err != nil {
		flat.Message += ": " + e.Err.Error()
		flat.Err = nil
	}
	return &flat
}
