package device

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"

	"larder/asset"
)

// startBus runs a real dbus-daemon that lets anyone own any name.
func startBus(t *testing.T) string {
	t.Helper()
	address, _ := startBusToStop(t)
	return address
}

func startBusToStop(t *testing.T) (address string, stop func()) {
	t.Helper()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI must have dbus-daemon:", err)
		}
		t.Skip("no dbus-daemon here")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "bus.conf")
	text := `<busconfig><type>session</type><listen>unix:path=` + dir + `/bus</listen><auth>EXTERNAL</auth>
		<policy context="default"><allow send_destination="*"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(daemon, "--config-file="+config, "--nofork", "--nopidfile", "--print-address=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() { cmd.Process.Kill(); cmd.Wait() })
	t.Cleanup(stop)
	address, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address), stop
}

// fake is a service on the bus with the properties given.
type fake struct {
	conn  *dbus.Conn
	props *prop.Properties
	s     service
}

func serve(t *testing.T, address string, s service, values map[string]any) *fake {
	t.Helper()
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	face := map[string]*prop.Prop{}
	for name, v := range values {
		face[name] = &prop.Prop{Value: v, Emit: prop.EmitTrue}
	}
	props, err := prop.Export(conn, s.path, prop.Map{s.face: face})
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := conn.RequestName(s.name, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatal(reply, err)
	}
	return &fake{conn, props, s}
}

func (f *fake) set(name string, v any) { f.props.SetMust(f.s.face, name, v) }

// watch follows a source and gives a function that waits for facts.
func watch(t *testing.T, l linux) func(what string, ok func(asset.Facts) bool) asset.Facts {
	t.Helper()
	told := make(chan asset.Facts, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Watch(ctx, func(f asset.Facts) { told <- f }) }()
	t.Cleanup(func() { cancel(); <-done })
	return func(what string, ok func(asset.Facts) bool) asset.Facts {
		t.Helper()
		var last asset.Facts
		for limit := time.After(5 * time.Second); ; {
			select {
			case last = <-told:
				if ok(last) {
					return last
				}
			case <-limit:
				t.Fatalf("no word that %s; last: %+v", what, last)
			}
		}
	}
}

func TestFactsFollowTheServicesOfTheBus(t *testing.T) {
	address := startBus(t)
	nm := serve(t, address, network, map[string]any{"Metered": uint32(certainNo), "State": uint32(70), "Connectivity": uint32(4)})
	up := serve(t, address, power, map[string]any{"OnBattery": false})
	ppd := serve(t, address, profiles[1], map[string]any{"ActiveProfile": "balanced"})
	wait := watch(t, linux{address: address})

	f := wait("all is well", func(f asset.Facts) bool {
		return f.Metered == asset.No && f.OnBattery == asset.No && f.LowPower == asset.No
	})
	if f.Online != asset.Yes || len(f.Notes) != 0 {
		t.Errorf("with all services: %+v", f)
	}
	nm.set("Metered", uint32(certainYes))
	wait("the network is metered", func(f asset.Facts) bool { return f.Metered == asset.Yes && len(f.Notes) == 0 })
	nm.set("Metered", uint32(guessNo))
	wait("that was a guess", func(f asset.Facts) bool { return f.Metered == asset.No && len(f.Notes) == 1 })
	nm.set("Connectivity", uint32(2))
	wait("a sign-in page is in the way", func(f asset.Facts) bool { return f.Online == asset.No })
	up.set("OnBattery", true)
	wait("the plug is out", func(f asset.Facts) bool { return f.OnBattery == asset.Yes })
	ppd.set("ActiveProfile", "power-saver")
	wait("power is saved", func(f asset.Facts) bool { return f.LowPower == asset.Yes })

	nm.conn.Close()
	f = wait("NetworkManager has gone", func(f asset.Facts) bool { return f.Metered == asset.Unknown && f.Online == asset.Unknown })
	if len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "NetworkManager") {
		t.Errorf("without NetworkManager: %q", f.Notes)
	}
	serve(t, address, network, map[string]any{"Metered": uint32(guessYes), "State": uint32(20), "Connectivity": uint32(0)})
	wait("it has come back", func(f asset.Facts) bool { return f.Metered == asset.Yes && f.Online == asset.No })
}

func TestABusThatDiesIsNoticed(t *testing.T) {
	address, stop := startBusToStop(t)
	serve(t, address, network, map[string]any{"Metered": uint32(certainYes)})
	wait := watch(t, linux{address: address, supplies: t.TempDir()})
	wait("the network is metered", func(f asset.Facts) bool { return f.Metered == asset.Yes })
	stop()
	wait("the bus has gone", func(f asset.Facts) bool { return f.Metered != asset.Yes && len(f.Notes) == 1 })
}

func TestWrongTypesAndMissingServicesAreUnknownAndSaySo(t *testing.T) {
	address := startBus(t)
	serve(t, address, network, map[string]any{"Metered": "yes"})
	serve(t, address, profiles[0], map[string]any{"ActiveProfile": uint32(1)})
	wait := watch(t, linux{address: address, supplies: t.TempDir()})
	f := wait("there are facts", func(asset.Facts) bool { return true })
	if f.Metered != asset.Unknown || f.LowPower != asset.Unknown || f.OnBattery != asset.Unknown || f.Online != asset.Unknown || len(f.Notes) != 3 {
		t.Errorf("facts: %+v", f)
	}
}

func TestWithoutABusTheKernelIsAskedAndTheBusIsFoundLater(t *testing.T) {
	supplies := t.TempDir()
	put := func(path, text string) {
		t.Helper()
		name := filepath.Join(supplies, path)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("BAT0/type", "Battery")
	put("BAT0/status", "Discharging")
	put("AC/type", "Mains")
	put("AC/online", "0")
	put("mouse/type", "Battery")
	put("mouse/scope", "Device")
	put("mouse/status", "Charging")
	l := linux{address: "unix:path=" + filepath.Join(supplies, "nothing"), supplies: supplies}
	f := watch(t, l)("there are facts", func(asset.Facts) bool { return true })
	if f.OnBattery != asset.Yes || len(f.Notes) != 1 || !strings.Contains(f.Notes[0], "system bus") {
		t.Errorf("facts: %+v", f)
	}
	put("AC/online", "1")
	if got := l.onBattery(); got != asset.No {
		t.Errorf("on battery with the plug in: %s", got)
	}
}
