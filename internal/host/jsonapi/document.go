// Package jsonapi is the form in which a host speaks: documents, errors and queries of
// JSON:API, as App Store Connect writes them (managed §8.3, §8.4).
//
// It promises that a query is known in every part or refused with the part's name, and that
// nothing of it is repeated without a bound. It knows no resources: api does.
package jsonapi

// Ref names a resource.
type Ref struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Links of a document, resource or relationship.
type Links struct {
	Self    string `json:"self,omitempty"`
	Related string `json:"related,omitempty"`
	First   string `json:"first,omitempty"`
	Next    string `json:"next,omitempty"`
}

// Relation is one relationship: Data is a [Ref], a []Ref or nil.
type Relation struct {
	Data  any    `json:"data,omitempty"`
	Links *Links `json:"links,omitempty"`
}

// Resource is one object of a document.
type Resource struct {
	Type          string              `json:"type"`
	ID            string              `json:"id"`
	Attributes    map[string]any      `json:"attributes,omitempty"`
	Relationships map[string]Relation `json:"relationships,omitempty"`
	Links         *Links              `json:"links,omitempty"`
}

// Ref names it.
func (r Resource) Ref() Ref { return Ref{r.Type, r.ID} }

// Paging says which part of a list a document has.
type Paging struct {
	Total      int    `json:"total"`
	Limit      int    `json:"limit"`
	NextCursor string `json:"nextCursor,omitempty"`
}

// Meta of a list.
type Meta struct {
	Paging Paging `json:"paging"`
}

// Document is the whole of an answer. Data is a Resource, a []Resource or a []Ref.
type Document struct {
	Data     any        `json:"data"`
	Included []Resource `json:"included,omitempty"`
	Links    Links      `json:"links"`
	Meta     *Meta      `json:"meta,omitempty"`
}

// Sparse leaves of a resource only the fields that a query asks for.
func (q Query) Sparse(r Resource) Resource {
	want, asked := q.Fields[r.Type]
	if !asked {
		return r
	}
	out := Resource{Type: r.Type, ID: r.ID, Links: r.Links, Attributes: map[string]any{}, Relationships: map[string]Relation{}}
	for _, name := range want {
		if v, ok := r.Attributes[name]; ok {
			out.Attributes[name] = v
		}
		if v, ok := r.Relationships[name]; ok {
			out.Relationships[name] = v
		}
	}
	return out
}
