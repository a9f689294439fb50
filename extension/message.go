package extension

import (
	"encoding/json"
	"errors"
	"fmt"

	"larder/asset"
)

// JSON-RPC's own error codes, and the one that carries an asset.Error as data.
const (
	rpcInvalidRequest = -32600
	rpcUnknownMethod  = -32601
	rpcInvalidParams  = -32602
	rpcError          = -32000
)

// A fault is a JSON-RPC error object.
type fault struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

func (f *fault) Error() string { return f.Message }

func unknownMethod(method string) *fault {
	return &fault{Code: rpcUnknownMethod, Message: fmt.Sprintf("no method %q here", clean(method, 80))}
}

// faultOf puts any error into the form that crosses the wire.
func faultOf(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	e := asset.AsError(err)
	data, err := json.Marshal(e)
	if err != nil {
		data = nil
	}
	return &fault{Code: rpcError, Message: e.Error(), Data: data}
}

// A message is one line taken apart. A request has a method and an id, a
// notification a method only, an answer an id and a result or a fault. Spans
// point into the frame and are good while it is.
type message struct {
	f      *frame
	id     string // the id's JSON text; "" when absent
	method string
	params span
	result span
	fault  *fault
}

var errNotRPC = errors.New("it is not a JSON-RPC 2.0 message")

// parse takes a line apart and checks the whole of it as JSON.
func parse(f *frame) (*message, error) {
	m := &message{f: f}
	var version string
	s := &scanner{f: f}
	err := s.object(func(key string, v span) error {
		switch key {
		case "jsonrpc":
			return f.decode(v, 16, &version)
		case "id":
			m.id = string(f.bytes(span{v.from, min(v.to, v.from+257)}))
			if c := m.id[0]; len(m.id) > 256 || c != '"' && c != '-' && (c < '0' || c > '9') {
				return errors.New("its id is neither a number nor a string of at most 256 bytes")
			}
		case "method":
			return f.decode(v, 512, &m.method)
		case "params":
			m.params = v
		case "result":
			m.result = v
		case "error":
			m.fault = nil
			return f.decode(v, MaxValue, &m.fault)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !s.end():
		return nil, errSyntax
	case version != "2.0":
		return nil, errNotRPC
	case m.method != "" && m.result == span{} && m.fault == nil:
		return m, nil
	case m.method == "" && m.id != "" && (m.result != span{}) != (m.fault != nil):
		return m, nil
	}
	return nil, errNotRPC
}

type requestLine struct {
	Version string `json:"jsonrpc"`
	ID      *int64 `json:"id,omitempty"`
	Method  string `json:"method"`
	Params  any    `json:"params,omitempty"`
}

type answerLine struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *fault          `json:"error,omitempty"`
}

// encode makes one line with its newline.
func encode(v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(line) > MaxLine {
		return nil, errLineTooLong
	}
	return append(line, '\n'), nil
}
