package localapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"larder/asset"
)

const (
	maxBody = 1 << 20
	// bodyTimeout ends a request whose body does not come; a local caller sends
	// it in one go.
	bodyTimeout = 10 * time.Second
)

// read fills into, a pointer to a flat struct, from the request's body. An empty
// body is an error only when required. The body counts as JSON whatever its
// content type says.
func read(w http.ResponseWriter, r *http.Request, into any, required bool) error {
	conn := http.NewResponseController(w)
	if err := conn.SetReadDeadline(time.Now().Add(bodyTimeout)); err != nil {
		return err
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return &asset.Error{Code: asset.CodeTooLarge, Op: opRead, Message: "its body is larger than 1 MiB"}
		}
		return badRequest("its body broke off", "")
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		if required {
			return badRequest("it has no body", "send a JSON object with "+list(fields(into)))
		}
		return nil
	}
	return decode(data, into)
}

// decode is encoding/json with the leniencies taken out: names match exactly and
// once, null and invalid UTF-8 are refused, and nothing follows the object.
func decode(data []byte, into any) error {
	if !utf8.Valid(data) {
		return badRequest("its body is not UTF-8", "")
	}
	if err := json.Unmarshal(data, new(json.RawMessage)); err != nil {
		return badRequest("its body is not JSON: "+err.Error(), "")
	}
	if err := checkNames(data, fields(into)); err != nil {
		return err
	}
	err := json.Unmarshal(data, into)
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		return badRequest(fmt.Sprintf("its field %s holds a wrong kind of value: %s", wrong.Field, clip(wrong.Value)), "")
	}
	if err != nil {
		return badRequest("its body cannot be read: "+err.Error(), "")
	}
	return nil
}

// checkNames reads valid JSON.
func checkNames(data []byte, known []string) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if first, err := dec.Token(); err != nil || first != json.Delim('{') {
		return badRequest("its body is not a JSON object", "")
	}
	var seen []string
	for dec.More() {
		token, err := dec.Token()
		name, ok := token.(string)
		var value json.RawMessage
		if err != nil || !ok || dec.Decode(&value) != nil {
			return badRequest("its body cannot be read", "")
		}
		switch {
		case !slices.Contains(known, name):
			return badRequest(fmt.Sprintf("its body has an unknown field %q", clip(name)), "known here: "+list(known))
		case slices.Contains(seen, name):
			return badRequest(fmt.Sprintf("its body has the field %s twice", name), "")
		case string(value) == "null":
			return badRequest(fmt.Sprintf("its field %s is null", name), "leave the field out")
		}
		seen = append(seen, name)
	}
	return nil
}

func fields(into any) []string {
	t := reflect.TypeOf(into).Elem()
	names := make([]string, t.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(t.Field(i).Tag.Get("json"), ",")
	}
	return names
}

func list(names []string) string {
	if len(names) == 0 {
		return "no field"
	}
	return strings.Join(names, ", ")
}

// clip bounds what an error repeats of a request.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
