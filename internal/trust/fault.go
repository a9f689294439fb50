package trust

import (
	"errors"
	"fmt"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"larder/asset"
)

const opVerify = "verify site"

const (
	helpSignature = "what is installed stays in use; nothing of this answer was taken. If it stays so, tell the app's developer: the site is damaged, or somebody tampers with it"
	helpExpired   = "what is installed stays in use. The developer must publish again or refresh the site's timestamp; if this device's clock is wrong, set it"
)

func fault(code asset.Code, subject, format string, args ...any) *asset.Error {
	e := &asset.Error{Code: code, Op: opVerify, Subject: subject, Message: fmt.Sprintf(format, args...), Help: helpSignature}
	if code == asset.CodeExpiredMetadata {
		e.Help = helpExpired
	}
	return e
}

// Endless is what is wrong with a document that is larger than any that is signed.
func Endless(name string, limit int64) *asset.Error {
	return fault(asset.CodeSignature, name, "the site sends more than %d bytes for it, and no such document is signed", limit)
}

// Crawling is what is wrong with a site that sends a document too slowly to be waited for: as long
// as it goes on so, nothing is proved, and what is new stays hidden.
func Crawling(name string) *asset.Error {
	return fault(asset.CodeSignature, name, "the site sends it too slowly to wait for, so that nothing is proved")
}

// judged turns what the TUF library says of a document into our error. Any
// doubt is 1005.
func judged(subject string, err error) error {
	if err == nil {
		return nil
	}
	if typed := (*asset.Error)(nil); errors.As(err, &typed) {
		return err
	}
	if expired := (*metadata.ErrExpiredMetadata)(nil); errors.As(err, &expired) {
		return fault(asset.CodeExpiredMetadata, subject, "its time has run out, so the site may hide newer content")
	}
	if old := (*metadata.ErrBadVersionNumber)(nil); errors.As(err, &old) {
		return fault(asset.CodeSignature, subject, "the site went back to an older version: %s", old.Msg)
	}
	return fault(asset.CodeSignature, subject, "it is not signed as it must be: %v", err)
}

// guarded runs a call of the TUF library, which has panicked on malformed
// metadata before; that is a fault of the metadata.
func guarded(subject string, call func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fault(asset.CodeSignature, subject, "it is malformed: %v", r)
		}
	}()
	return judged(subject, call())
}
