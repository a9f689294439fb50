package device

import (
	"context"

	"github.com/godbus/dbus/v5"

	"larder/asset"
)

const properties = "org.freedesktop.DBus.Properties"

// service is an object of the bus that knows something.
type service struct {
	name, face string
	path       dbus.ObjectPath
}

var (
	network = service{"org.freedesktop.NetworkManager", "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager"}
	power   = service{"org.freedesktop.UPower", "org.freedesktop.UPower", "/org/freedesktop/UPower"}
	// profiles has had two names; the newer one first.
	profiles = []service{
		{"org.freedesktop.UPower.PowerProfiles", "org.freedesktop.UPower.PowerProfiles", "/org/freedesktop/UPower/PowerProfiles"},
		{"net.hadess.PowerProfiles", "net.hadess.PowerProfiles", "/net/hadess/PowerProfiles"},
	}
	services = append([]service{network, power}, profiles...)
)

// property reads one property; false when the service is away or does not have
// it in that type. No service is started for it.
func property[T any](ctx context.Context, conn *dbus.Conn, s service, name string) (T, bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var v dbus.Variant
	var value T
	if conn.Object(s.name, s.path).CallWithContext(ctx, properties+".Get", dbus.FlagNoAutoStart, s.face, name).Store(&v) != nil {
		return value, false
	}
	value, ok := v.Value().(T)
	return value, ok
}

func (l linux) read(ctx context.Context, conn *dbus.Conn) asset.Facts {
	f := asset.Facts{LowPower: asset.Unknown, OnBattery: asset.Unknown, Metered: asset.Unknown, Online: asset.Unknown}
	note := func(s string) { f.Notes = append(f.Notes, s) }

	metered, ok := property[uint32](ctx, conn, network, "Metered")
	if !ok {
		note("NetworkManager does not answer: whether the network is metered is unknown, and taken as no")
	} else if f.Metered = meteredOf(metered); f.Metered == asset.Unknown {
		note("NetworkManager does not know whether the network is metered: it is taken as unmetered")
	} else if metered == guessYes || metered == guessNo {
		note("whether the network is metered is a guess of NetworkManager; \"nmcli connection modify NAME connection.metered yes|no\" says it for sure")
	}
	state, ok := property[uint32](ctx, conn, network, "State")
	connectivity, known := property[uint32](ctx, conn, network, "Connectivity")
	if ok && known {
		f.Online = onlineOf(state, connectivity)
	}

	battery, ok := property[bool](ctx, conn, power, "OnBattery")
	switch {
	case ok && battery:
		f.OnBattery = asset.Yes
	case ok:
		f.OnBattery = asset.No
	default:
		if f.OnBattery = l.onBattery(); f.OnBattery == asset.Unknown {
			note("neither UPower nor the kernel tells whether the device runs on a battery")
		}
	}

	for _, s := range profiles {
		if profile, ok := property[string](ctx, conn, s, "ActiveProfile"); ok {
			if f.LowPower = asset.No; profile == "power-saver" {
				f.LowPower = asset.Yes
			}
			return f
		}
	}
	note("power-profiles-daemon does not answer: whether the device saves power is unknown, and taken as no")
	return f
}

// NetworkManager's NMMetered has five values, two of them guesses.
const (
	certainYes = 1
	certainNo  = 2
	guessYes   = 3
	guessNo    = 4
)

func meteredOf(n uint32) asset.Answer {
	switch n {
	case certainYes, guessYes:
		return asset.Yes
	case certainNo, guessNo:
		return asset.No
	}
	return asset.Unknown
}

// onlineOf reads NMState and NMConnectivityState. A site without the internet
// counts as online: its own servers may be all that is wanted.
func onlineOf(state, connectivity uint32) asset.Answer {
	const (
		asleep, disconnected, local, global = 10, 20, 50, 70
		none, portal                        = 1, 2
	)
	switch {
	case state == asleep || state == disconnected, connectivity == none, connectivity == portal:
		return asset.No
	case state >= local && state <= global:
		return asset.Yes
	}
	return asset.Unknown
}
