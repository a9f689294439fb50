package publish

import (
	"fmt"

	"larder/asset"
)

const op = "publish"

func fault(code asset.Code, subject, message, help string) *asset.Error {
	return &asset.Error{Code: code, Op: op, Subject: subject, Message: message, Help: help}
}

func tooLarge(name string, limit int64) error {
	return fault(asset.CodeTooLarge, name, fmt.Sprintf("it is larger than %d bytes", limit), "is this a site of Larder?")
}

// told wraps what a store or the disk says.
func told(subject string, err error) error {
	if err == nil || asset.CodeOf(err) != asset.CodeInternal {
		return err
	}
	return &asset.Error{Code: asset.CodeInternal, Op: op, Subject: subject, Message: "it failed", Err: err,
		Help: "run the command again: what is uploaded already is not uploaded twice"}
}
