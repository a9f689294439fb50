package jsonapi

import (
	"fmt"
	"net/http"
	"strconv"
)

// Source is the part of a request that is to blame.
type Source struct {
	Pointer   string `json:"pointer,omitempty"`
	Parameter string `json:"parameter,omitempty"`
}

// Fault is an error as App Store Connect tells it. Detail says what is wrong with the
// caller's values; Meta["help"] how to mend it.
type Fault struct {
	ID     string         `json:"id,omitempty"`
	Status string         `json:"status"`
	Code   string         `json:"code"`
	Title  string         `json:"title"`
	Detail string         `json:"detail"`
	Source *Source        `json:"source,omitempty"`
	Meta   map[string]any `json:"meta,omitempty"`
}

// Error is the detail.
func (f *Fault) Error() string { return f.Detail }

// HTTP is the status code.
func (f *Fault) HTTP() int {
	n, err := strconv.Atoi(f.Status)
	if err != nil {
		return http.StatusInternalServerError
	}
	return n
}

// Help adds how to mend it.
func (f *Fault) Help(text string) *Fault {
	f.Meta = map[string]any{"help": text}
	return f
}

// Faults is the document of an error.
type Faults struct {
	Errors []*Fault `json:"errors"`
}

// Codes that say what kind of fault it is.
const (
	CodeParameter    = "PARAMETER_ERROR"
	CodeInvalid      = "PARAMETER_ERROR.INVALID"
	CodeIllegal      = "PARAMETER_ERROR.ILLEGAL"
	CodeBody         = "ENTITY_INVALID"
	CodeUnknown      = "ENTITY_ERROR.ATTRIBUTE.UNKNOWN"
	CodeAttribute    = "ENTITY_ERROR.ATTRIBUTE.INVALID"
	CodeRequired     = "ENTITY_ERROR.ATTRIBUTE.REQUIRED"
	CodeRelationship = "ENTITY_ERROR.RELATIONSHIP.INVALID"
	CodeNoRelation   = "ENTITY_ERROR.RELATIONSHIP.REQUIRED"
	CodeState        = "STATE_ERROR"
	CodeQuota        = "STATE_ERROR.QUOTA_EXCEEDED"
	CodeDuplicate    = "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE"
	CodeToken        = "NOT_AUTHORIZED"
	CodeForbidden    = "FORBIDDEN_ERROR"
	CodeNotFound     = "NOT_FOUND"
	CodeMethod       = "METHOD_NOT_ALLOWED"
	CodeRate         = "RATE_LIMIT_EXCEEDED"
	CodeExpired      = "UPLOAD_ERROR.EXPIRED"
	CodePart         = "UPLOAD_ERROR.PART"
	CodeUnexpected   = "UNEXPECTED_ERROR"
)

func fault(status int, code, title, format string, args ...any) *Fault {
	return &Fault{Status: strconv.Itoa(status), Code: code, Title: title, Detail: fmt.Sprintf(format, args...)}
}

// Parameter blames a part of the query, or all of it if the name is empty.
func Parameter(code, name, format string, args ...any) *Fault {
	f := fault(http.StatusBadRequest, code, "A parameter has an invalid value", format, args...)
	if name != "" {
		f.Source = &Source{Parameter: clip(name)}
	}
	return f
}

// Body blames the form of a body.
func Body(format string, args ...any) *Fault {
	return fault(http.StatusBadRequest, CodeBody, "The request entity is not readable", format, args...)
}

// Blame blames a part of a body, told as a JSON pointer.
func Blame(code, pointer, format string, args ...any) *Fault {
	f := fault(http.StatusConflict, code, "The provided entity has an invalid value", format, args...)
	f.Source = &Source{Pointer: pointer}
	return f
}

// State says that a request does not fit the present state.
func State(format string, args ...any) *Fault {
	return fault(http.StatusConflict, CodeState, "The request cannot be fulfilled in the present state", format, args...)
}

// Quota says that there is no room.
func Quota(format string, args ...any) *Fault {
	return fault(http.StatusConflict, CodeQuota, "The app's quota would be passed", format, args...)
}

// Unauthorized says that it is not known who asks.
func Unauthorized(format string, args ...any) *Fault {
	return fault(http.StatusUnauthorized, CodeToken, "Authentication credentials are missing or invalid", format, args...)
}

// Forbidden says that the caller may not.
func Forbidden(format string, args ...any) *Fault {
	return fault(http.StatusForbidden, CodeForbidden, "The request is not permitted", format, args...)
}

// NotFound says that there is no such thing, for this caller.
func NotFound(format string, args ...any) *Fault {
	return fault(http.StatusNotFound, CodeNotFound, "The specified resource does not exist", format, args...)
}

// Upload blames a part that was sent.
func Upload(status int, code, format string, args ...any) *Fault {
	return fault(status, code, "The part was not accepted", format, args...)
}

// Plain is any other.
func Plain(status int, code, title, format string, args ...any) *Fault {
	return fault(status, code, title, format, args...)
}

// Unexpected is told when the host itself is at fault; what it was stands in its log, under id.
func Unexpected(id string) *Fault {
	f := fault(http.StatusInternalServerError, CodeUnexpected, "An unexpected error occurred", "the host failed; its log has the reason under this error's id")
	f.ID = id
	return f
}

// clip keeps what is repeated to a caller short.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
