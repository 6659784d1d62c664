// Package hostile has the client of other machines meet servers that behave badly.
package hostile

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"example.com/app/cells/cell"
	"example.com/app/cells/cellquic"
	"example.com/app/cells/matrix"
)

func sums(t *testing.T, conn *matrix.Conn) {
	t.Helper()
	if sum, err := conn.Add(2, 3); err != nil || sum != 5 {
		t.Errorf("%d, %v", sum, err)
	}
}

func fails(t *testing.T, conn *matrix.Conn, code cell.Code, words string) {
	t.Helper()
	if _, err := conn.Add(2, 3); !errors.Is(err, code) || !strings.Contains(err.Error(), words) {
		t.Errorf("%v", err)
	}
}

// Calls that were not started are made again on another connection.
func TestNotTaken(t *testing.T) {
	for name, leave := range map[string]func(call){
		"reset":          func(c call) { c.reset(drainingCode) },
		"closed":         func(c call) { _ = c.conn.CloseWithError(drainingCode, "") },
		"reset and read": func(c call) { c.stream.CancelWrite(drainingCode) },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, 100, func(c call) {
				if c.number == 1 {
					leave(c)
				} else {
					c.answer(5)
				}
			})
			sums(t, s.connect())
			s.saw(2, 2)
		})
	}
}

// A call that may have been started is not made again.
func TestPerhapsTaken(t *testing.T) {
	for name, scene := range map[string]struct {
		words string
		leave func(call)
	}{
		"end": {"closed the connection", func(c call) {
			c.say(accepted())
			_ = c.stream.Close()
		}},
		"close": {"(code 7)", func(c call) { _ = c.conn.CloseWithError(7, "") }},
		"reset": {"did not finish the call", func(c call) { c.reset(7) }},
		"late reset": {"draining", func(c call) {
			c.say(accepted())
			time.AfterFunc(100*time.Millisecond, func() { c.reset(drainingCode) })
		}},
		"no handshake": {"unexpected frame", func(c call) { c.say(frame(kindResponse, 1, nil)) }},
		"half a frame": {"closed the connection", func(c call) {
			c.say(accepted(), frame(kindResponse, 1, make([]byte, 8))[:35])
			_ = c.stream.Close()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, 100, scene.leave)
			conn := s.connect()
			fails(t, conn, cell.ErrUnavailable, scene.words)
			s.saw(1, 1)
			for _, err := range conn.Count(3) {
				if !errors.Is(err, cell.ErrUnavailable) {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// What breaks the protocol ends its call alone.
func TestLies(t *testing.T) {
	s := serve(t, 100, func(c call) {
		switch c.number {
		case 1:
			c.say(accepted(), []byte(strings.Repeat("\xff", 32)))
		case 2:
			c.say(accepted(), frame(kindResponse, 1, nil))
		default:
			c.answer(5)
		}
	})
	conn := s.connect()
	fails(t, conn, cell.ErrUnavailable, "connection failed")
	fails(t, conn, cell.ErrArchive, "")
	sums(t, conn)
	s.saw(3, 1)
}

func TestAnotherSchema(t *testing.T) {
	s := serve(t, 100, func(c call) {
		c.say(ack(7, 2, "schema drift"))
		_ = c.stream.Close()
	})
	conn := s.connect()
	for range 2 {
		_, err := conn.Add(2, 3)
		var failed *cell.Error
		if !errors.As(err, &failed) || failed.Code != cell.ErrSchemaMismatch || failed.Fingerprint != 7 {
			t.Errorf("%v", err)
		}
	}
	s.saw(2, 1)
}

// A call that nobody waits for any more is ended at the other side, whatever it has sent.
func TestCancelled(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error)
	s := serve(t, 100, func(c call) {
		begun <- struct{}{}
		if c.number%2 == 0 {
			c.say(accepted())
		}
		_, err := io.Copy(io.Discard, c.stream)
		ended <- err
	})
	conn := s.connect()
	text := strings.Repeat("x", 4<<20)
	for range 2 {
		for _, call := range []func(context.Context) error{
			func(ctx context.Context) error { _, err := conn.AddContext(ctx, 2, 3); return err },
			// It does not fit into what waits to be read.
			func(ctx context.Context) error { _, err := conn.EchoContext(ctx, text); return err },
		} {
			ctx, stop := context.WithCancel(context.Background())
			go func() {
				<-begun
				stop()
			}()
			if err := call(ctx); !errors.Is(err, cell.ErrCancelled) {
				t.Errorf("%v", err)
			}
			var reset *quic.StreamError
			if err := <-ended; !errors.As(err, &reset) || reset.ErrorCode != 0 {
				t.Errorf("the server was told %v", err)
			}
		}
	}
	s.saw(4, 1)
}

// A server that lets nobody in costs calls their time, and nothing else.
func TestFull(t *testing.T) {
	s := serve(t, 1, func(c call) {
		if c.number > 1 {
			c.answer(5)
		}
	})
	conn := s.connect()
	ctx, stop := context.WithCancel(context.Background())
	first := make(chan error)
	go func() {
		_, err := conn.AddContext(ctx, 2, 3)
		first <- err
	}()
	for s.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := conn.WithTimeout(100*time.Millisecond).Add(2, 3); !errors.Is(err, cell.ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	stop()
	if err := <-first; !errors.Is(err, cell.ErrCancelled) {
		t.Errorf("%v", err)
	}
	s.saw(1, 1)
}

// What is closed leaves no call waiting, and nothing running.
func TestClosed(t *testing.T) {
	before := runtime.NumGoroutine()
	s := serve(t, 100, func(c call) { c.say(accepted()) })
	transport, err := cellquic.New(cellquic.Keys{})
	if err != nil {
		t.Fatal(err)
	}
	for _, closer := range []func(*matrix.Conn){
		func(conn *matrix.Conn) { _ = conn.Close() },
		func(*matrix.Conn) { _ = transport.Close() },
	} {
		conn, err := matrix.Connect(s.at, cell.Over(transport))
		if err != nil {
			t.Fatal(err)
		}
		calls, ended := s.count(), make(chan error)
		for range 10 {
			go func() {
				_, err := conn.Add(2, 3)
				ended <- err
			}()
		}
		for s.count() < calls+10 {
			time.Sleep(time.Millisecond)
		}
		closer(conn)
		for range 10 {
			if err := <-ended; !errors.Is(err, cell.ErrUnavailable) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v", err)
			}
		}
		fails(t, conn, cell.ErrUnavailable, "closed")
	}
	s.stop()
	for runtime.NumGoroutine() > before {
		time.Sleep(time.Millisecond)
	}
}
