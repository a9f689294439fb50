package jsonapi

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
)

// MaxBody bounds a body, in bytes.
const MaxBody = 256 << 10

// Entity is the resource in a request's body.
type Entity struct {
	Type          string                     `json:"type"`
	ID            string                     `json:"id"`
	Attributes    map[string]json.RawMessage `json:"attributes"`
	Relationships map[string]struct {
		Data *Ref `json:"data"`
	} `json:"relationships"`
}

// ReadEntity reads a body with a resource of a type: with an ID when it is to be changed, without
// one when it is to be made. It may have the named attributes and relationships and no
// others.
func ReadEntity(r io.Reader, typ, id string, attributes, relationships []string) (*Entity, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxBody+1))
	if err != nil {
		return nil, Body("the body broke off: %v", err)
	}
	if len(text) > MaxBody {
		return nil, Body("the body has more than %d bytes", MaxBody)
	}
	var doc struct {
		Data *Entity `json:"data"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case len(text) == 0:
			return nil, Body("there is no body")
		case errors.As(err, &syntax):
			return nil, Body("it is no JSON: %v, at byte %d of %d", err, syntax.Offset, len(text))
		case errors.As(err, &kind):
			return nil, Body("%q is a %s, which does not belong there", clip(kind.Field), kind.Value)
		}
		return nil, Body("it is no JSON of a resource")
	}
	e := doc.Data
	switch {
	case e == nil:
		return nil, Body(`it has no member "data"`)
	case e.Type != typ:
		return nil, Blame(CodeAttribute, "/data/type", "the type is %q, and %q belongs here", clip(e.Type), typ)
	case e.ID != id:
		return nil, Blame(CodeAttribute, "/data/id", "the ID is %q, and %q belongs here", clip(e.ID), id)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Attributes)) {
		if !slices.Contains(attributes, name) {
			return nil, Blame(CodeUnknown, "/data/attributes/"+clip(name), "there is no attribute %q, or it cannot be set", clip(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Relationships)) {
		if !slices.Contains(relationships, name) {
			return nil, Blame(CodeRelationship, "/data/relationships/"+clip(name), "there is no relationship %q, or it cannot be set", clip(name))
		}
	}
	return e, nil
}

// Attribute reads an attribute into v, and reports whether it is there and not null.
func (e *Entity) Attribute(name string, v any) (bool, error) {
	raw, ok := e.Attributes[name]
	if !ok || string(raw) == "null" {
		return false, nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return false, Blame(CodeAttribute, "/data/attributes/"+name, "%s is not a value for it", clip(string(raw)))
	}
	return true, nil
}

// Required is Attribute of one that must be there.
func (e *Entity) Required(name string, v any) error {
	ok, err := e.Attribute(name, v)
	if err == nil && !ok {
		err = Blame(CodeRequired, "/data/attributes/"+name, "the attribute %q is missing", name)
	}
	return err
}

// Relation gives the ID of the resource of a type that a relationship names, which must be there.
func (e *Entity) Relation(name, typ string) (string, error) {
	at := "/data/relationships/" + name
	data := e.Relationships[name].Data
	switch {
	case data == nil:
		return "", Blame(CodeNoRelation, at, "the relationship %q is missing", name)
	case data.Type != typ:
		return "", Blame(CodeRelationship, at+"/data/type", "the type is %q, and %q belongs here", clip(data.Type), typ)
	}
	return data.ID, nil
}
