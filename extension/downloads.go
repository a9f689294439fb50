package extension

import (
	"encoding/json"
	"errors"
	"fmt"

	"larder/asset"
)

// Bounds of a download's members in JSON text, escapes included. Checked before
// decoding, so that no member grows larger in memory than asset allows.
const (
	maxBodyText   = asset.MaxBody/3*4 + 64
	maxMemberText = 128 << 10
)

// eachDownload walks the result of downloads and gives each element to each.
func eachDownload(f *frame, result span, each func(asset.Download) error) error {
	found, count := false, 0
	var stop error // what each said
	element := func(v span) error {
		count++
		d, err := decodeDownload(f, v)
		if err != nil {
			return fmt.Errorf("download %d of its answer cannot be read: %w", count, err)
		}
		stop = each(d)
		return stop
	}
	err := (&scanner{f: f, pos: result.from}).object(func(key string, v span) error {
		if key != "downloads" {
			return nil
		}
		if found {
			return errors.New("its answer has two members named downloads")
		}
		found = true
		// Counting costs nothing beside what each does, so too many are refused before the first.
		many := 0
		err := (&scanner{f: f, pos: v.from}).array(func(span) error { many++; return nil })
		if many > MaxDownloads {
			return fmt.Errorf("its answer has %d downloads; %d are allowed", many, MaxDownloads)
		}
		if err == nil {
			err = (&scanner{f: f, pos: v.from}).array(element)
		}
		if err == errSyntax {
			return errors.New("downloads in its answer is not an array")
		} else if err != nil {
			return err
		}
		return nil
	})
	switch {
	case stop != nil:
		return stop
	case err == errSyntax:
		return failure(MethodDownloads, "its answer is not an object", nil)
	case err != nil:
		return failure(MethodDownloads, clean(err.Error(), 400), nil)
	case !found:
		return failure(MethodDownloads, "its answer has no member named downloads", nil)
	}
	return nil
}

// decodeDownload reads one download as an extension may write it: without the
// members that the service alone sets.
func decodeDownload(f *frame, v span) (asset.Download, error) {
	var d asset.Download
	if v.len() > MaxValue {
		return d, fmt.Errorf("it is %d bytes; %d are allowed", v.len(), MaxValue)
	}
	err := (&scanner{f: f, pos: v.from}).object(func(key string, m span) error {
		limit := maxMemberText
		if key == "body" {
			limit = maxBodyText
		}
		if m.len() > limit {
			return fmt.Errorf("its member %q is %d bytes; %d are allowed", clean(key, 80), m.len(), limit)
		}
		return nil
	})
	if err == errSyntax {
		return d, errors.New("it is not an object")
	}
	if err == nil {
		err = json.Unmarshal(f.bytes(v), &d)
	}
	d.State, d.UniqueIdentifier = "", ""
	return d, err
}
