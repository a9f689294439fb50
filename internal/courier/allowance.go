package courier

import (
	"net/url"

	"larder/asset"
	"larder/internal/policy"
	"larder/internal/queue"
)

func overAllowance(e *queue.Entry, left int64) *asset.Error {
	key := "BADownloadAllowance"
	if e.Essential {
		key = "BAEssentialDownloadAllowance"
	}
	return &asset.Error{Code: asset.CodeWouldExceedAllowance, Domain: asset.DomainBA, Op: "schedule download", Subject: e.Identifier,
		Message: "it has " + policy.Bytes(e.FileSize) + " and " + policy.Bytes(left) + " are left of " + key + ", which holds until the first launch",
		Help:    "raise " + key + " in the app's Info.plist, or ask for it after the first launch"}
}

func host(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
