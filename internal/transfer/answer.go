package transfer

import (
	"mime"
	"net/http"
	"strings"
	"time"
)

// answer is a body we accept: bytes from start up to end of an entity. An end
// or total of -1 is unknown.
type answer struct {
	start, end, total int64
	validator         string
	// framed tells that the end of the body is marked on the wire, so that an
	// early end shows.
	framed bool
}

// judge decides on the head of a final answer to a request that asked for the
// bytes after asked.Bytes (0: no Range was sent). A non-empty again is why the
// entity must be asked for from its start.
func (a *attempt) judge(subject string, res *http.Response, asked Held) (ans answer, again string, fail *Failure) {
	switch {
	case res.StatusCode == http.StatusOK:
		ans = answer{end: res.ContentLength, total: res.ContentLength, validator: validatorOf(res.Header)}
	case res.StatusCode == http.StatusPartialContent && asked.Bytes == 0:
		return ans, "", oddAnswer(subject, "the server answered 206 Partial Content to a request for the whole")
	case res.StatusCode == http.StatusPartialContent:
		if ans, again = a.judgePart(res, asked); again != "" {
			return ans, again, nil
		}
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && asked.Bytes > 0:
		return ans, "the server has no bytes after those held", nil
	default:
		return ans, "", badStatus(subject, res, time.Now())
	}
	ans.framed = res.ContentLength >= 0 || len(res.TransferEncoding) > 0
	switch size, limit := a.job.Size, a.job.MaxBytes; {
	case size > 0 && ans.total >= 0 && ans.total != size:
		return ans, "", sizeMismatch(subject, size, "announces "+decimal(ans.total))
	case limit > 0 && ans.total > limit:
		return ans, "", tooLarge(subject, limit)
	}
	return ans, "", nil
}

// judgePart holds a 206 against what was asked.
func (a *attempt) judgePart(res *http.Response, asked Held) (answer, string) {
	if !sameEntity(res.Header, asked.Validator) {
		return answer{}, "the file on the server changed"
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	ranges := res.Header.Values("Content-Range")
	if strings.EqualFold(kind, "multipart/byteranges") || len(ranges) != 1 {
		return answer{}, "the server answered one range with none or several"
	}
	p, ok := parseContentRange(ranges[0])
	if !ok || p.start != asked.Bytes {
		return answer{}, "the server sent another range than the one asked for"
	}
	if res.ContentLength >= 0 && res.ContentLength != p.end-p.start {
		return answer{}, "the server contradicts itself on the length of a range"
	}
	known := asked.Total
	if known == 0 {
		known = a.job.Size
	}
	switch {
	case p.total < 0 && (known == 0 || p.end > known):
		return answer{}, "the server does not say how long the file is"
	case p.total < 0:
		p.total = known
	case a.job.Size == 0 && asked.Total > 0 && p.total != asked.Total:
		return answer{}, "the file on the server changed its length"
	}
	if p.end < p.total && p.end-p.start < minPart {
		return answer{}, "the server sends the file in crumbs"
	}
	return answer{start: p.start, end: p.end, total: p.total, validator: asked.Validator}, ""
}
