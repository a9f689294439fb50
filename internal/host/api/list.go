package api

import (
	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
)

// listed answers with one page of what all finds, and what is included with each.
func listed[V any](c *call, all func(catalog.Tx) ([]V, error), id func(V) string, show func(V) jsonapi.Resource, included func(catalog.Tx, V) ([]jsonapi.Resource, error)) (any, error) {
	var doc jsonapi.Document
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) error {
		views, err := all(tx)
		if err != nil {
			return err
		}
		page, p := jsonapi.Page(c.query, views, id)
		var out, with []jsonapi.Resource
		for _, v := range page {
			out = append(out, c.query.Sparse(show(v)))
			more, err := included(tx, v)
			if err != nil {
				return err
			}
			with = append(with, more...)
		}
		doc = list(c, p, out, with)
		return nil
	})
	return doc, err
}

// linked answers with one page of names alone.
func linked[V any](c *call, typ string, all func(catalog.Tx) ([]V, error), id func(V) string) (any, error) {
	var doc jsonapi.Document
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) error {
		views, err := all(tx)
		if err != nil {
			return err
		}
		page, p := jsonapi.Page(c.query, views, id)
		var out []jsonapi.Ref
		for _, v := range page {
			out = append(out, jsonapi.Ref{Type: typ, ID: id(v)})
		}
		doc = list(c, p, out, nil)
		return nil
	})
	return doc, err
}
