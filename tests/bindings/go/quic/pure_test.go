package cellquic

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

func TestWhatAnEndMeans(t *testing.T) {
	alert := func(number quic.TransportErrorCode) *quic.TransportError {
		return &quic.TransportError{Remote: true, ErrorCode: crypto + number}
	}
	for _, c := range []struct {
		err   error
		means meaning
		words string
	}{
		{alert(45), refused, "cargo cell keys issue"},
		{alert(48), refused, "another authority"},
		{alert(116), refused, "cargo cell keys issue"},
		{alert(120), refused, "cell/1"},
		{alert(80), refused, "alert 80"},
		{&quic.TransportError{Remote: true, ErrorCode: quic.ConnectionRefused}, again, "no more connections"},
		{&quic.TransportError{Remote: true, ErrorCode: quic.InternalError}, lost, "it ended"},
		{&quic.TransportError{ErrorCode: quic.ProtocolViolation}, lost, "broke"},
		{&quic.TransportError{ErrorCode: crypto + 42}, final, "not the cell's"},
		{&quic.TransportError{ErrorCode: crypto + 45}, final, "expired"},
		{&quic.ApplicationError{Remote: true, ErrorCode: draining}, again, "draining"},
		{&quic.ApplicationError{Remote: true, ErrorCode: 7}, lost, "code 7"},
		{&quic.ApplicationError{ErrorCode: draining}, lost, "closed"},
		{&quic.IdleTimeoutError{}, lost, "does not answer"},
		{&quic.HandshakeTimeoutError{}, again, "does not answer"},
		{&quic.StatelessResetError{}, lost, "restarted"},
		{errors.New("why"), lost, "why"},
	} {
		f := explain(c.err)
		if f.means != c.means || !strings.Contains(f.Error(), c.words) || !errors.Is(f, f.cause) {
			t.Errorf("%v: %d, %v", c.err, f.means, f)
		}
		if f.Again() != (c.means == again) || f.Refused() != (c.means == refused) {
			t.Errorf("%v: %v, %v", c.err, f.Again(), f.Refused())
		}
		early := f.beforeStart().at("host:1")
		if early.Again() != (c.means == again || c.means == lost) || !strings.HasPrefix(early.Error(), "host:1: ") {
			t.Errorf("%v before a call: %v", c.err, early)
		}
	}
}

func TestWhoThisProgramIs(t *testing.T) {
	home := func() (string, error) { return "/users/u", nil }
	homeless := func() (string, error) { return "", errors.New("no home") }
	for _, c := range []struct {
		keys      Keys
		env       map[string]string
		home      func() (string, error)
		dir, name string
		words     string
	}{
		{keys: Keys{"/k", "me"}, env: map[string]string{"CELL_KEYS": "/x", "CELL_IDENTITY": "x"}, dir: "/k", name: "me"},
		{env: map[string]string{"CELL_KEYS": "/x", "CELL_IDENTITY": "a", "CELL_NAME": "b"}, dir: "/x", name: "a"},
		{env: map[string]string{"CELL_HOME": "/h", "CELL_NAME": "b"}, dir: "/h/keys", name: "b"},
		{keys: Keys{Name: "b"}, home: home, dir: "/users/u/.cell/keys", name: "b"},
		{keys: Keys{Name: "b"}, home: homeless, words: "set CELL_KEYS"},
		{words: "set CELL_IDENTITY"},
		{keys: Keys{Name: "authority"}, words: "no certificate bears"},
		{keys: Keys{Name: "../a"}, words: "no certificate bears"},
		{keys: Keys{Name: "-a"}, words: "no certificate bears"},
		{keys: Keys{Name: strings.Repeat("a", 65)}, words: "no certificate bears"},
	} {
		dir, name, err := c.keys.resolve(func(key string) string { return c.env[key] }, c.home)
		if dir != c.dir || name != c.name || (err != nil) != (c.words != "") {
			t.Errorf("%v: %s, %s, %v", c.keys, dir, name, err)
		}
		if err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%v", err)
		}
	}
}

// Which address is tried when: none waits for one before it that has failed.
func TestRace(t *testing.T) {
	expired := &quic.TransportError{ErrorCode: crypto + alertExpired}
	silent := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	fails := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	for _, c := range []struct {
		dials []func(context.Context) error
		words string
	}{
		{nil, "does not answer"},
		{[]func(context.Context) error{silent}, "does not answer"},
		{[]func(context.Context) error{fails(expired), silent}, "expired"},
		{[]func(context.Context) error{silent, fails(expired)}, "expired"},
		{[]func(context.Context) error{fails(expired), fails(errors.New("else"))}, "expired"},
		{[]func(context.Context) error{fails(errors.New("one")), fails(errors.New("two"))}, "two"},
	} {
		ctx, stop := context.WithTimeout(context.Background(), time.Second)
		var addresses []netip.AddrPort
		for number := range c.dials {
			addresses = append(addresses, netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(number)))
		}
		_, err := race(ctx, addresses, func(ctx context.Context, to netip.AddrPort) (*quic.Conn, error) {
			return nil, c.dials[to.Port()](ctx)
		})
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%v instead of %q", err, c.words)
		}
		stop()
	}
	won := new(quic.Conn)
	conn, err := race(context.Background(), make([]netip.AddrPort, 2), func() func(context.Context, netip.AddrPort) (*quic.Conn, error) {
		tries := make(chan struct{}, 1)
		return func(ctx context.Context, _ netip.AddrPort) (*quic.Conn, error) {
			select {
			case tries <- struct{}{}:
				return nil, silent(ctx)
			default:
				return won, nil
			}
		}
	}())
	if err != nil || conn != won {
		t.Errorf("%v, %v", conn, err)
	}
}
