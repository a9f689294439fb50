package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
)

// partPath is where a part is put. Its URL is all that a sender needs, and is good for that
// part alone and for a time.
const partPath = "/larder/v1/uploads/{file}/{part}"

// operation says how one part is sent (managed §8.3).
type operation struct {
	Method         string   `json:"method"`
	URL            string   `json:"url"`
	Length         int64    `json:"length"`
	Offset         int64    `json:"offset"`
	RequestHeaders []header `json:"requestHeaders"`
	Expiration     string   `json:"expiration"`
	PartNumber     int      `json:"partNumber"`
	EntityTag      string   `json:"entityTag,omitempty"` // of a part that is here
}

type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (c *call) operations(f catalog.File, have map[int]string) []operation {
	expires := c.Now().Add(c.Limits.Upload).Truncate(time.Second)
	out := make([]operation, 0, f.Parts())
	for n := 1; n <= f.Parts(); n++ {
		offset, length := f.Range(n)
		path := fmt.Sprintf("/larder/v1/uploads/%s/%d?expires=%d&signature=%s", f.ID, n, expires.Unix(), c.signature(f.ID, n, expires.Unix()))
		out = append(out, operation{Method: http.MethodPut, URL: c.self(path), Offset: offset, Length: length, PartNumber: n, EntityTag: have[n],
			Expiration: date(expires), RequestHeaders: []header{{"Content-Type", "application/octet-stream"}}})
	}
	return out
}

func (a *API) signature(file string, part int, expires int64) string {
	m := hmac.New(sha256.New, a.Secret)
	fmt.Fprintf(m, "%s/%d/%d", file, part, expires)
	return hex.EncodeToString(m.Sum(nil))
}

// part takes one part of a file.
func (a *API) part(w http.ResponseWriter, r *http.Request) {
	sum, err := a.takePart(w, r)
	if err != nil {
		a.fail(w, r, errPart(err))
		return
	}
	w.Header().Set("ETag", `"`+sum+`"`)
	w.WriteHeader(http.StatusOK)
}

func (a *API) takePart(w http.ResponseWriter, r *http.Request) (string, error) {
	id, q := r.PathValue("file"), r.URL.Query()
	number, err1 := strconv.Atoi(r.PathValue("part"))
	expires, err2 := strconv.ParseInt(q.Get("expires"), 10, 64)
	if err1 != nil || err2 != nil || !hmac.Equal([]byte(q.Get("signature")), []byte(a.signature(id, number, expires))) {
		return "", jsonapi.Upload(http.StatusForbidden, jsonapi.CodePart, "this is not the URL of a part as it was given out")
	}
	if a.Now().Unix() >= expires {
		return "", jsonapi.Upload(http.StatusForbidden, jsonapi.CodeExpired, "the URL of this part expired at %s", date(time.Unix(expires, 0))).
			Help("read the upload file again: its operations have new URLs")
	}
	end, err := a.Staging.Begin(id, number)
	if err != nil {
		return "", err
	}
	defer end()
	var f catalog.File
	open := func(tx catalog.Tx) (err error) {
		if f, err = tx.File(id); err == nil && f.State != catalog.AwaitingUpload {
			err = jsonapi.Upload(http.StatusConflict, jsonapi.CodePart, "the file is %s: it takes no parts any more", f.State)
		}
		return err
	}
	if err := a.Catalog.Read(r.Context(), open); err != nil {
		return "", err
	}
	offset, length := f.Range(number)
	if r.ContentLength >= 0 && r.ContentLength != length {
		return "", jsonapi.Upload(http.StatusBadRequest, jsonapi.CodePart, "the part has %d bytes, and its operation says %d", r.ContentLength, length)
	}
	if err := a.Catalog.Write(r.Context(), func(tx catalog.Tx) error { // what is written over is not here
		if err := open(tx); err != nil {
			return err
		}
		return tx.DropPart(id, number)
	}); err != nil {
		return "", err
	}
	a.At("part begun")
	sum, err := a.Staging.Write(r.Context(), id, offset, length, http.MaxBytesReader(w, a.patient(w, r), length+1))
	if err != nil {
		return "", err
	}
	a.At("part written")
	err = a.Catalog.Write(r.Context(), func(tx catalog.Tx) error {
		if err := open(tx); err != nil {
			return err
		}
		return tx.PutPart(id, number, sum)
	})
	a.At("part noted")
	return sum, err
}

// patient reads a body of any length, and ends it when nothing comes for a while.
type patient struct {
	io.ReadCloser
	control  *http.ResponseController
	patience time.Duration
}

func (a *API) patient(w http.ResponseWriter, r *http.Request) patient {
	return patient{r.Body, http.NewResponseController(w), a.Limits.Patience}
}

func (p patient) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(p.patience)) // where there are none, the server's own hold
	return p.ReadCloser.Read(b)
}
