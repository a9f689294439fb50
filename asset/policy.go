package asset

import (
	"encoding/json"
	"slices"
)

// InstallationEvent is the moment at which a policy fetches a pack: the first
// installation of an app on a device, or an update of an installed one (managed §5.2).
type InstallationEvent string

// The events.
const (
	EventFirstInstallation InstallationEvent = "firstInstallation"
	EventSubsequentUpdate  InstallationEvent = "subsequentUpdate"
)

var installationEvents = []InstallationEvent{EventFirstInstallation, EventSubsequentUpdate}

// PolicyKind is one of the three policies (managed §5.1).
type PolicyKind string

// The policies.
const (
	PolicyEssential PolicyKind = "essential" // before the app may start
	PolicyPrefetch  PolicyKind = "prefetch"  // begins with the installation, holds nothing up
	PolicyOnDemand  PolicyKind = "onDemand"  // when the app asks
)

var policyKinds = []PolicyKind{PolicyEssential, PolicyPrefetch, PolicyOnDemand}

// DownloadPolicy says when the service fetches a pack by itself. In JSON it is an
// object with its kind as the one key (managed §5.1):
//
//	{"essential": {"installationEventTypes": ["firstInstallation"]}}
//
// An installed pack is kept up to date whatever its policy.
type DownloadPolicy struct {
	Kind PolicyKind
	// Events is never empty for essential and prefetch, always for onDemand.
	Events []InstallationEvent
}

// Fetches reports whether the policy fetches the pack at that event.
func (p DownloadPolicy) Fetches(event InstallationEvent) bool {
	return slices.Contains(p.Events, event)
}

// Blocks reports whether the first launch after that event waits for the pack.
// With both events in the list it waits after both (design §12).
func (p DownloadPolicy) Blocks(event InstallationEvent) bool {
	return p.Kind == PolicyEssential && p.Fetches(event)
}

// MarshalJSON gives the object that manifests have.
func (p DownloadPolicy) MarshalJSON() ([]byte, error) {
	type events struct {
		Types []InstallationEvent `json:"installationEventTypes,omitempty"`
	}
	return json.Marshal(map[PolicyKind]events{p.Kind: {p.Events}})
}

// UnmarshalJSON takes what MarshalJSON gives. Anything else is an error that tells
// every fault (see [Faults]).
func (p *DownloadPolicy) UnmarshalJSON(data []byte) error {
	doc, faults := readJSON("read download policy", data, MaxManifest)
	if doc == nil {
		return faults
	}
	policy := readPolicy(faults, doc)
	if err := faults.orNil(); err != nil {
		return err
	}
	*p = policy
	return nil
}

func readPolicy(faults *Faults, n *node) (p DownloadPolicy) {
	if !faults.isObject(n) {
		return p
	}
	for _, m := range n.members {
		if !slices.Contains(policyKinds, PolicyKind(m.key)) {
			faults.add(m, "there is no such policy", "write "+choice(policyKinds))
			return p
		}
	}
	if len(n.members) != 1 {
		faults.add(n, "it must have exactly one key", "write one of "+choice(policyKinds))
		return p
	}
	m := n.members[0]
	p.Kind = PolicyKind(m.key)
	if !faults.isObject(m) {
		return p
	}
	faults.known(m, "installationEventTypes")
	types := m.member("installationEventTypes")
	switch {
	case p.Kind == PolicyOnDemand && types != nil:
		faults.add(types, "a pack on demand has no events", `write "onDemand": {}`)
		return p
	case p.Kind == PolicyOnDemand:
		return p
	case types == nil:
		faults.add(m, "installationEventTypes is missing", "name "+choice(installationEvents)+", or both")
		return p
	case !faults.isArray(types):
		return p
	case len(types.items) == 0:
		faults.add(types, "it is empty", "name "+choice(installationEvents)+", or both")
	}
	for _, item := range types.items {
		event := InstallationEvent(item.text)
		switch {
		case !faults.isString(item):
		case !slices.Contains(installationEvents, event):
			faults.add(item, "there is no such event", "write "+choice(installationEvents))
		case slices.Contains(p.Events, event):
			faults.add(item, "it stands there twice", "remove one of the two")
		default:
			p.Events = append(p.Events, event)
		}
	}
	slices.Sort(p.Events)
	return p
}
