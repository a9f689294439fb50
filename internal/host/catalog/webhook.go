package catalog

import (
	"encoding/json"
	"errors"
	"slices"
	"time"
)

// Types of events, as App Store Connect names them (managed §8.4).
const (
	VersionUpdated    = "BACKGROUND_ASSET_VERSION_STATE_UPDATED"
	InternalCreated   = "BACKGROUND_ASSET_VERSION_INTERNAL_BETA_RELEASE_CREATED"
	ExternalUpdated   = "BACKGROUND_ASSET_VERSION_EXTERNAL_BETA_RELEASE_STATE_UPDATED"
	ProductionUpdated = "BACKGROUND_ASSET_VERSION_APP_STORE_RELEASE_STATE_UPDATED"
	PingCreated       = "WEBHOOK_PING_CREATED" // on request alone
)

// EventTypes are those that a webhook can be for.
func EventTypes() []string {
	return []string{VersionUpdated, InternalCreated, ExternalUpdated, ProductionUpdated}
}

// Webhook is a URL that is told what happens in an app.
type Webhook struct {
	ID      string
	App     int64
	Name    string
	URL     string
	Secret  string
	Types   []string // of events
	Enabled bool
	Created time.Time
}

const webhookColumns = "SELECT id, app, name, url, secret, types, enabled, created FROM webhooks"

func scanWebhook(r scanner) (h Webhook, err error) {
	var created int64
	var types []byte
	if err = r.Scan(&h.ID, &h.App, &h.Name, &h.URL, &h.Secret, &types, &h.Enabled, &created); err != nil {
		return h, err
	}
	h.Created = fromMillis(created)
	return h, json.Unmarshal(types, &h.Types)
}

// AddWebhook gives one its ID.
func (t Tx) AddWebhook(h Webhook) (Webhook, error) {
	h.ID, h.Created = NewID(), t.now
	return h, t.exec("INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, ?, ?, ?)", h.ID, h.App, h.Name, h.URL, h.Secret, text(h.Types), h.Enabled, millis(h.Created))
}

// Webhook reads one.
func (t Tx) Webhook(id string) (Webhook, error) {
	return one(scanWebhook, t.tx.QueryRow(webhookColumns+" WHERE id = ?", id))
}

// Webhooks lists those of an app, the oldest first.
func (t Tx) Webhooks(app int64) ([]Webhook, error) {
	return all(t, scanWebhook, webhookColumns+" WHERE app = ? ORDER BY rowid", app)
}

// SetWebhook writes all that can change of one.
func (t Tx) SetWebhook(h Webhook) error {
	return t.change("UPDATE webhooks SET name = ?, url = ?, secret = ?, types = ?, enabled = ? WHERE id = ?", h.Name, h.URL, h.Secret, text(h.Types), h.Enabled, h.ID)
}

// DropWebhook deletes one, with its deliveries.
func (t Tx) DropWebhook(id string) error {
	if err := t.exec("DELETE FROM deliveries WHERE webhook = ?", id); err != nil {
		return err
	}
	return t.change("DELETE FROM webhooks WHERE id = ?", id)
}

// Event is something that happened. Old and New are empty where there was no state.
type Event struct {
	ID       string
	Type     string
	Instance string // the ID of the version or release
	Pack     string // identifier
	Number   int64  // of the version
	Old, New string
	Created  time.Time
}

// Event reads one.
func (t Tx) Event(id string) (Event, error) {
	return one(func(r scanner) (e Event, err error) {
		var created int64
		err = r.Scan(&e.ID, &e.Type, &e.Instance, &e.Pack, &e.Number, &e.Old, &e.New, &created)
		e.Created = fromMillis(created)
		return e, err
	}, t.tx.QueryRow("SELECT id, type, instance, pack, number, old, new, created FROM events WHERE id = ?", id))
}

// AddEvent notes what happened, and has it told by these webhooks.
func (t Tx) AddEvent(e Event, hooks ...Webhook) (Event, error) {
	e.ID, e.Created = NewID(), t.now
	if err := t.exec("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", e.ID, e.Type, e.Instance, e.Pack, e.Number, e.Old, e.New, millis(e.Created)); err != nil {
		return e, err
	}
	for _, h := range hooks {
		if _, err := t.AddDelivery(h.ID, e.ID, false); err != nil {
			return e, err
		}
	}
	return e, nil
}

// tell notes what happened to a version, or to its release, for the webhooks that are for it. It is
// called where states are written, so that no way to change one is forgotten.
func (t Tx) tell(typ, version, instance, old, now string) error {
	e := Event{Type: typ, Instance: instance, Old: old, New: now}
	var app int64
	if err := t.tx.QueryRow("SELECT p.app, p.identifier, v.number FROM versions v JOIN packs p ON p.id = v.pack WHERE v.id = ?", version).Scan(&app, &e.Pack, &e.Number); err != nil {
		return err
	}
	hooks, err := t.Webhooks(app)
	if err != nil {
		return err
	}
	hooks = slices.DeleteFunc(hooks, func(h Webhook) bool { return !h.Enabled || !slices.Contains(h.Types, typ) })
	if len(hooks) > 0 {
		_, err = t.AddEvent(e, hooks...)
	}
	return err
}

// versionChanged tells of a version whose state becomes now.
func (t Tx) versionChanged(v Version) error {
	old, err := t.stateOf("versions", v.ID)
	if err != nil || old == v.State {
		return err
	}
	return t.tell(VersionUpdated, v.ID, v.ID, old, v.State)
}

// releaseChanged tells of a release. One to internal testers is created, for others, when they have it.
func (t Tx) releaseChanged(r Release) error {
	old, err := t.stateOf("releases", r.ID)
	if err != nil || old == r.State {
		return err
	}
	switch r.Channel {
	case External:
		return t.tell(ExternalUpdated, r.Version, r.ID, old, r.State)
	case Production:
		return t.tell(ProductionUpdated, r.Version, r.ID, old, r.State)
	}
	if r.State != ReadyForTesting {
		return nil
	}
	return t.tell(InternalCreated, r.Version, r.ID, "", r.State)
}

func (t Tx) stateOf(table, id string) (string, error) {
	return one(func(r scanner) (s string, err error) { return s, r.Scan(&s) }, t.tx.QueryRow("SELECT state FROM "+table+" WHERE id = ?", id))
}

// States of deliveries.
const (
	Pending   = "PENDING"
	Succeeded = "SUCCEEDED"
)

// JobDeliver is the kind of the job that tells a webhook; its subject is the delivery.
const JobDeliver = "deliver"

// Delivery is an event on its way to a webhook, or come to its end there.
type Delivery struct {
	ID         string
	Webhook    string
	Event      string
	State      string // one of Pending, Succeeded and Failed
	Redelivery bool   // somebody asked for it again
	Attempts   int
	Created    time.Time
	Sent       time.Time // the last attempt; zero: none yet
	Next       time.Time // zero: none is planned
	Status     int       // that the receiver answered; 0: none
	Error      string
}

const deliveryColumns = "SELECT id, webhook, event, state, redelivery, attempts, created, sent, next, status, error FROM deliveries"

func scanDelivery(r scanner) (d Delivery, err error) {
	var created, sent, next int64
	err = r.Scan(&d.ID, &d.Webhook, &d.Event, &d.State, &d.Redelivery, &d.Attempts, &created, &sent, &next, &d.Status, &d.Error)
	d.Created, d.Sent, d.Next = fromMillis(created), maybe(sent), maybe(next)
	return d, err
}

// AddDelivery has a webhook told of an event.
func (t Tx) AddDelivery(webhook, event string, again bool) (Delivery, error) {
	d := Delivery{ID: NewID(), Webhook: webhook, Event: event, State: Pending, Redelivery: again, Created: t.now, Next: t.now}
	if err := t.exec("INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, 0, ?, 0, ?, 0, '')", d.ID, webhook, event, d.State, again, millis(d.Created), millis(d.Next)); err != nil {
		return d, err
	}
	return d, t.Enqueue(JobDeliver, d.ID, t.now)
}

// Delivery reads one.
func (t Tx) Delivery(id string) (Delivery, error) {
	return one(scanDelivery, t.tx.QueryRow(deliveryColumns+" WHERE id = ?", id))
}

// Deliveries lists those of a webhook, the newest first.
func (t Tx) Deliveries(webhook string) ([]Delivery, error) {
	return all(t, scanDelivery, deliveryColumns+" WHERE webhook = ? ORDER BY rowid DESC", webhook)
}

// SetDelivery writes what came of an attempt.
func (t Tx) SetDelivery(d Delivery) error {
	return t.change("UPDATE deliveries SET state = ?, attempts = ?, sent = ?, next = ?, status = ?, error = ? WHERE id = ?",
		d.State, d.Attempts, maybeMillis(d.Sent), maybeMillis(d.Next), d.Status, d.Error, d.ID)
}

// PruneDeliveries forgets deliveries that ended before a time, and all but the newest of a webhook.
func (t Tx) PruneDeliveries(before time.Time, keep int) error {
	return errors.Join(t.exec(`DELETE FROM deliveries WHERE state <> 'PENDING' AND (created < ? OR rowid IN (SELECT row FROM
		(SELECT rowid AS row, row_number() OVER (PARTITION BY webhook ORDER BY rowid DESC) AS n FROM deliveries) WHERE n > ?))`, millis(before), keep),
		t.exec("DELETE FROM events WHERE id NOT IN (SELECT event FROM deliveries)"))
}
