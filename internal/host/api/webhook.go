package api

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"

	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
	"larder/internal/host/webhook"
)

const (
	typeWebhooks   = "webhooks"
	typeDeliveries = "webhookDeliveries"
	typePings      = "webhookPings"
	typeEvents     = "webhookEvents"
)

// maxSecret bounds a webhook's secret, and minSecret keeps one from being guessed.
const (
	minSecret = 16
	maxSecret = 200
)

// showWebhook has all of a webhook but its secret.
func (c *call) showWebhook(h catalog.Webhook) jsonapi.Resource {
	r := jsonapi.Resource{Type: typeWebhooks, ID: h.ID, Links: &jsonapi.Links{Self: c.self("/larder/v1/webhooks/" + h.ID)}}
	r.Attributes = map[string]any{"enabled": h.Enabled, "eventTypes": h.Types, "name": h.Name, "url": h.URL, "createdDate": date(h.Created)}
	r.Relationships = map[string]jsonapi.Relation{"app": to(typeApps, appNumber(h.App)), "deliveries": {Links: &jsonapi.Links{Related: r.Links.Self + "/deliveries"}}}
	return r
}

// hook is the webhook with an ID, if the caller may see it.
func (c *call) hook(tx catalog.Tx, id string) (h catalog.Webhook, err error) {
	h, err = tx.Webhook(id)
	if errors.Is(err, catalog.ErrNone) || err == nil && !c.may(h.App) {
		return h, jsonapi.NotFound("there is no webhook %q", shortened(id))
	}
	return h, err
}

// hookChanged answers with the webhook of the path after it was changed.
func (c *call) hookChanged(change func(catalog.Tx, *catalog.Webhook) error) (any, error) {
	var h catalog.Webhook
	err := c.Catalog.Write(c.ctx, func(tx catalog.Tx) (err error) {
		if h, err = c.hook(tx, c.id()); err != nil {
			return err
		}
		return change(tx, &h)
	})
	if err != nil {
		return nil, err
	}
	return c.document(c.showWebhook(h)), nil
}

func (c *call) getWebhook() (any, error) {
	var h catalog.Webhook
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) (err error) { h, err = c.hook(tx, c.id()); return err })
	return c.document(c.showWebhook(h)), err
}

func (c *call) dropWebhook() (any, error) {
	return c.hookChanged(func(tx catalog.Tx, h *catalog.Webhook) error { return tx.DropWebhook(h.ID) })
}

func (c *call) updateWebhook() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeWebhooks, c.id(), hookAttributes, nil)
	if err != nil {
		return nil, err
	}
	return c.hookChanged(func(tx catalog.Tx, h *catalog.Webhook) error {
		if err := c.setWebhook(e, h); err != nil {
			return err
		}
		return tx.SetWebhook(*h)
	})
}

var hookAttributes = []string{"enabled", "eventTypes", "name", "secret", "url"}

// setWebhook reads what a body says of a webhook, and judges it.
func (c *call) setWebhook(e *jsonapi.Entity, h *catalog.Webhook) error {
	for name, at := range map[string]any{"enabled": &h.Enabled, "eventTypes": &h.Types, "name": &h.Name, "secret": &h.Secret, "url": &h.URL} {
		if _, err := e.Attribute(name, at); err != nil {
			return err
		}
	}
	bad := func(name, format string, args ...any) error {
		return jsonapi.Blame(jsonapi.CodeAttribute, "/data/attributes/"+name, format, args...)
	}
	if fault := c.Webhooks.URL(h.URL); fault != "" {
		return bad("url", "%s", fault)
	}
	for _, t := range h.Types {
		if !slices.Contains(catalog.EventTypes(), t) {
			return bad("eventTypes", "%q is not one of %v", shortened(t), catalog.EventTypes())
		}
	}
	slices.Sort(h.Types)
	h.Types = slices.Compact(h.Types)
	switch {
	case len(h.Types) == 0:
		return bad("eventTypes", "it is empty")
	case h.Name == "" || len(h.Name) > 200:
		return bad("name", "it is empty, or longer than 200 bytes")
	case len(h.Secret) < minSecret || len(h.Secret) > maxSecret:
		return bad("secret", "it does not have %d to %d bytes", minSecret, maxSecret)
	}
	return nil
}

// createWebhook makes a webhook. If the host made its secret, that is in this one answer and in none after it.
func (c *call) createWebhook() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeWebhooks, "", hookAttributes, []string{"app"})
	if err != nil {
		return nil, err
	}
	made := rand.Text() + rand.Text()
	h := catalog.Webhook{Secret: made, Enabled: true}
	for _, name := range []string{"eventTypes", "name", "url"} {
		var there json.RawMessage
		if err := e.Required(name, &there); err != nil {
			return nil, err
		}
	}
	if err := c.setWebhook(e, &h); err != nil {
		return nil, err
	}
	of, err := e.Relation("app", typeApps)
	if err != nil {
		return nil, err
	}
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		a, err := c.app(tx, of)
		if err != nil {
			return blamed(err, "/data/relationships/app")
		}
		all, err := tx.Webhooks(a.ID)
		if err != nil {
			return err
		}
		if len(all) >= c.Limits.Webhooks {
			return jsonapi.Quota("the app has %d webhooks; more are not possible until some are deleted", len(all))
		}
		h.App = a.ID
		h, err = tx.AddWebhook(h)
		return err
	})
	if err != nil {
		return nil, err
	}
	r := c.showWebhook(h)
	if h.Secret == made {
		r.Attributes["secret"] = made
	}
	return c.document(r), nil
}

func (c *call) listWebhooks() (any, error) {
	return listed(c, func(tx catalog.Tx) ([]catalog.Webhook, error) {
		a, err := c.app(tx, c.id())
		if err != nil {
			return nil, err
		}
		return tx.Webhooks(a.ID)
	}, func(h catalog.Webhook) string { return h.ID }, c.showWebhook, nothing)
}

// deliveryView is a delivery with what it tells.
type deliveryView struct {
	catalog.Delivery
	event catalog.Event
}

func (c *call) showDelivery(v deliveryView) jsonapi.Resource {
	r := jsonapi.Resource{Type: typeDeliveries, ID: v.ID, Links: &jsonapi.Links{Self: c.self("/larder/v1/webhookDeliveries/" + v.ID)}}
	r.Attributes = map[string]any{"createdDate": date(v.Created), "deliveryState": v.State, "redelivery": v.Redelivery, "attempts": v.Attempts, "eventType": v.event.Type,
		"request": map[string]any{"body": string(webhook.Payload(v.event, c.Base))}}
	if !v.Sent.IsZero() {
		r.Attributes["sentDate"] = date(v.Sent)
	}
	if !v.Next.IsZero() {
		r.Attributes["nextAttemptDate"] = date(v.Next)
	}
	if v.Error != "" {
		r.Attributes["errorMessage"] = v.Error
	}
	if v.Status != 0 {
		r.Attributes["response"] = map[string]any{"httpStatusCode": v.Status}
	}
	r.Relationships = map[string]jsonapi.Relation{"webhook": to(typeWebhooks, v.Webhook), "event": to(typeEvents, v.Event)}
	return r
}

// delivery is the one with an ID, if the caller may see it.
func (c *call) delivery(tx catalog.Tx, id string) (v deliveryView, err error) {
	v.Delivery, err = tx.Delivery(id)
	if err == nil {
		_, err = c.hook(tx, v.Webhook)
	}
	var f *jsonapi.Fault
	if errors.Is(err, catalog.ErrNone) || errors.As(err, &f) {
		return v, jsonapi.NotFound("there is no delivery %q", shortened(id))
	}
	if err == nil {
		v.event, err = tx.Event(v.Event)
	}
	return v, err
}

func (c *call) getDelivery() (any, error) {
	var v deliveryView
	err := c.Catalog.Read(c.ctx, func(tx catalog.Tx) (err error) { v, err = c.delivery(tx, c.id()); return err })
	if err != nil {
		return nil, err
	}
	return c.document(c.showDelivery(v)), nil
}

// deliveries are those of the webhook in the path, the newest first.
func (c *call) deliveries(tx catalog.Tx) (out []deliveryView, err error) {
	h, err := c.hook(tx, c.id())
	if err != nil {
		return nil, err
	}
	all, err := tx.Deliveries(h.ID)
	if err != nil {
		return nil, err
	}
	for _, d := range all {
		if !c.query.Matches("deliveryState", d.State) {
			continue
		}
		e, err := tx.Event(d.Event)
		if err != nil {
			return nil, err
		}
		out = append(out, deliveryView{d, e})
	}
	return out, nil
}

func (c *call) listDeliveries() (any, error) {
	return listed(c, c.deliveries, func(v deliveryView) string { return v.ID }, c.showDelivery, nothing)
}

func nothing[V any](catalog.Tx, V) ([]jsonapi.Resource, error) { return nil, nil }

// redeliver has a webhook told once more of an event, whatever came of it before.
func (c *call) redeliver() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typeDeliveries, "", nil, []string{"template"})
	if err != nil {
		return nil, err
	}
	of, err := e.Relation("template", typeDeliveries)
	if err != nil {
		return nil, err
	}
	var v deliveryView
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) (err error) {
		if v, err = c.delivery(tx, of); err != nil {
			return blamed(err, "/data/relationships/template")
		}
		v.Delivery, err = tx.AddDelivery(v.Webhook, v.Event, true)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.Wake()
	return c.document(c.showDelivery(v)), nil
}

// ping has a webhook told that nothing happened, so that its owner sees whether it works.
func (c *call) ping() (any, error) {
	e, err := jsonapi.ReadEntity(c.r.Body, typePings, "", nil, []string{"webhook"})
	if err != nil {
		return nil, err
	}
	of, err := e.Relation("webhook", typeWebhooks)
	if err != nil {
		return nil, err
	}
	var told catalog.Event
	err = c.Catalog.Write(c.ctx, func(tx catalog.Tx) error {
		h, err := c.hook(tx, of)
		if err != nil {
			return blamed(err, "/data/relationships/webhook")
		}
		told, err = tx.AddEvent(catalog.Event{Type: catalog.PingCreated}, h)
		return err
	})
	if err != nil {
		return nil, err
	}
	c.Wake()
	r := jsonapi.Resource{Type: typePings, ID: told.ID, Links: &jsonapi.Links{Self: c.self("/larder/v1/webhooks/" + of + "/deliveries")}}
	return c.document(r), nil
}
