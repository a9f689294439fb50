package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// parseJSON reads an Info.json: one object with the keys of an Info.plist.
// doubles are the dotted paths of keys that are there twice.
func parseJSON(data []byte) (m map[string]any, doubles []string, err error) {
	dec := json.NewDecoder(bytes.NewReader(withoutBOM(data)))
	dec.UseNumber()
	p := &jsonParser{dec: dec}
	v, err := p.value(nil)
	if err == nil {
		if _, extra := dec.Token(); extra != io.EOF {
			err = errors.New("something follows the object")
		}
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, p.doubles, fmt.Errorf("it is not JSON we read: %w", err)
	}
	m, ok := normal(v, false).(map[string]any)
	if !ok {
		return nil, p.doubles, errNoDict
	}
	return m, p.doubles, nil
}

type jsonParser struct {
	dec     *json.Decoder
	values  int
	doubles []string
}

func (p *jsonParser) value(at trail) (any, error) {
	tok, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	if p.values++; p.values > maxValues {
		return nil, errValues
	}
	if len(at) >= maxDepth {
		return nil, errDepth
	}
	switch tok {
	case json.Delim('{'):
		return p.object(at)
	case json.Delim('['):
		list := []any{}
		for p.dec.More() {
			v, err := p.value(append(at, strconv.Itoa(len(list))))
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := p.dec.Token()
		return list, err
	}
	return tok, nil
}

func (p *jsonParser) object(at trail) (any, error) {
	m := map[string]any{}
	for p.dec.More() {
		tok, err := p.dec.Token()
		if err != nil {
			return nil, err
		}
		key, ok := tok.(string)
		if !ok {
			return nil, errors.New("it has a key that is not a string")
		}
		if _, twice := m[key]; twice && len(p.doubles) < maxFaults {
			p.doubles = append(p.doubles, append(at, key).String())
		}
		if m[key], err = p.value(append(at, key)); err != nil {
			return nil, err
		}
	}
	_, err := p.dec.Token()
	return m, err
}
