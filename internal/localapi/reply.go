package localapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"larder/asset"
)

const opRead = "read request"

func badRequest(message, help string) *asset.Error {
	return &asset.Error{Code: asset.CodeBadRequest, Op: opRead, Message: message, Help: help}
}

func noApp(id string) *asset.Error {
	return &asset.Error{Code: asset.CodeNotFound, Op: "find app", Subject: clip(id), Message: "there is no such app"}
}

func noDownload(unique string) *asset.Error {
	return &asset.Error{Code: asset.CodeDownloadDoesNotExist, Op: "find download", Subject: clip(unique), Message: "there is no such download"}
}

// statuses is the one table from codes to HTTP; any other code is a 500. A caller
// should read the code: the status only serves tools that know no more than HTTP.
var statuses = map[asset.Code]int{
	asset.CodeDownloadInvalid: http.StatusBadRequest,
	asset.CodeConfiguration:   http.StatusBadRequest,
	asset.CodeBadRequest:      http.StatusBadRequest,
	asset.CodeSignature:       http.StatusBadRequest,
	asset.CodeDoesNotFit:      http.StatusBadRequest,

	asset.CodeCallFromExtensionNotAllowed: http.StatusForbidden,
	asset.CodeCallFromInactiveProcess:     http.StatusForbidden,
	asset.CodeConnectionNotAccepted:       http.StatusForbidden,

	asset.CodeNotFound:             http.StatusNotFound,
	asset.CodeDownloadDoesNotExist: http.StatusNotFound,

	asset.CodeAlreadyScheduled:             http.StatusConflict,
	asset.CodeNotScheduled:                 http.StatusConflict,
	asset.CodeAlreadyFailed:                http.StatusConflict,
	asset.CodeEssentialNotPermitted:        http.StatusConflict,
	asset.CodeBackgroundActivityProhibited: http.StatusConflict,
	asset.CodeWouldExceedAllowance:         http.StatusConflict,
	asset.CodeNotPermittedBeforeAppLaunch:  http.StatusConflict,
	asset.CodePathCollision:                http.StatusConflict,
	asset.CodeState:                        http.StatusConflict,

	asset.CodeTooLarge:          http.StatusRequestEntityTooLarge,
	asset.CodeConnectionInvalid: http.StatusServiceUnavailable,
	asset.CodeNoSpace:           http.StatusInsufficientStorage,
}

// toWire turns what a handler returned into what is sent.
func toWire(err error) (int, *asset.Error) {
	if typed := (*asset.Error)(nil); !errors.As(err, &typed) && errors.Is(err, context.Canceled) {
		err = &asset.Error{Code: asset.CodeConnectionInvalid, Op: "call service", Message: "the service is ending"}
	}
	e := asset.AsError(err)
	if e.DomainOf() == asset.DomainManaged { // its numbers mean other things elsewhere
		return http.StatusNotFound, e
	}
	if status, ok := statuses[e.Code]; ok {
		return status, e
	}
	return http.StatusInternalServerError, e
}

func writeError(w http.ResponseWriter, status int, err *asset.Error) {
	writeJSON(w, status, errorBody{asset.AsError(err)})
}

// writeJSON ignores a failed write: the caller has gone, and nobody else cares.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = encode(w, v)
}

func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// The functions below turn nil lists into empty ones, on copies: readers of the
// API never see null where a list is promised.

func wholeApp(a asset.AppStatus) asset.AppStatus {
	a.Downloads, a.Packs = listed(a.Downloads), listed(a.Packs)
	return a
}

func wholeApps(apps []asset.AppStatus) []asset.AppStatus {
	out := make([]asset.AppStatus, len(apps))
	for i, a := range apps {
		out[i] = wholeApp(a)
	}
	return out
}

func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
