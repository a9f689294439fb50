package device

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"

	"larder/asset"
)

// System reads the system bus: NetworkManager, UPower and power-profiles-daemon.
// What they do not tell, the kernel's power supplies may.
func System() Source { return linux{supplies: "/sys/class/power_supply"} }

type linux struct {
	address  string // of the bus; "" is the system's
	supplies string
}

// Waits of a machine without a bus, or whose bus went away.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
	settle     = 100 * time.Millisecond // changes come in swarms
	patience   = 2 * time.Second        // with one service
)

func (l linux) Watch(ctx context.Context, tell func(asset.Facts)) {
	for wait := firstRetry; ctx.Err() == nil; wait = min(2*wait, lastRetry) {
		if l.follow(ctx, tell) {
			wait = firstRetry
		}
		if ctx.Err() != nil {
			return
		}
		f := asset.Facts{Notes: []string{"there is no system bus (D-Bus): whether the network is metered and whether the device saves power is unknown, and taken as no"}}
		f.OnBattery = l.onBattery()
		tell(f)
		pause(ctx, wait)
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// follow tells facts for as long as the bus lives; false when there was none.
func (l linux) follow(ctx context.Context, tell func(asset.Facts)) bool {
	conn, err := l.connect(ctx)
	if err != nil {
		return false
	}
	defer conn.Close()
	signals := make(chan *dbus.Signal, 64)
	conn.Signal(signals)
	for _, s := range services {
		changed := []dbus.MatchOption{dbus.WithMatchObjectPath(s.path), dbus.WithMatchInterface(properties), dbus.WithMatchMember("PropertiesChanged"), dbus.WithMatchArg(0, s.face)}
		owner := []dbus.MatchOption{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchInterface("org.freedesktop.DBus"),
			dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, s.name)}
		for _, m := range [][]dbus.MatchOption{changed, owner} {
			if conn.AddMatchSignalContext(ctx, m...) != nil {
				return false
			}
		}
	}
	for {
		tell(l.read(ctx, conn))
		select {
		case <-ctx.Done():
			return true
		case _, open := <-signals:
			if !open {
				return true
			}
		}
		pause(ctx, settle)
		for drained := false; !drained; {
			select {
			case _, open := <-signals:
				drained = !open
				if !open {
					return true
				}
			default:
				drained = true
			}
		}
	}
}

func (l linux) connect(ctx context.Context) (*dbus.Conn, error) {
	if l.address == "" {
		return dbus.ConnectSystemBus(dbus.WithContext(ctx))
	}
	return dbus.Connect(l.address, dbus.WithContext(ctx))
}
