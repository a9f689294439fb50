package bucket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/minio/minio-go/v7"

	"larder/asset"
)

const op = "use bucket"

func fault(code asset.Code, subject, message, help string) *asset.Error {
	return &asset.Error{Code: code, Op: op, Subject: subject, Message: message, Help: help}
}

// told says in our words what a server said; nil stays nil, a missing object is
// fs.ErrNotExist.
func told(name string, err error) error {
	var typed *asset.Error
	if err == nil || errors.As(err, &typed) || errors.Is(err, context.Canceled) {
		return err
	}
	said := minio.ToErrorResponse(err)
	e := fault(asset.CodeServer, name, "the server says "+said.Code, "run the command again: what is uploaded already is not uploaded twice")
	switch {
	case said.Code == "NoSuchBucket":
		e.Code, e.Message, e.Help = asset.CodeNotFound, fmt.Sprintf("there is no bucket %q", said.BucketName), "make it first, or name another; --endpoint-url says on which server"
	case said.Code == "NoSuchUpload":
		e.Message = "an upload that was under way is gone"
	case said.Code == "NoSuchKey" || said.StatusCode == http.StatusNotFound:
		return &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	case said.StatusCode == http.StatusForbidden || said.StatusCode == http.StatusUnauthorized:
		e.Code, e.Message = asset.CodeConfiguration, "the server does not let you ("+said.Code+")"
		e.Help = "check the credentials and the bucket's policy: they must permit to list, read and write objects"
	case said.StatusCode == 0:
		e.Code, e.Message = asset.CodeNetwork, "the server cannot be reached, or the connection broke"
	}
	e.Err = err
	return e
}
