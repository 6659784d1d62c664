package cell

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestCallsShareAConnectionAndAnswersMatch(t *testing.T) {
	client := serve(t, func(n int, p *peer) {
		if n > 1 {
			t.Error("a second connection")
		}
		p.welcome()
		p.echo()
	})
	var calls sync.WaitGroup
	for n := uint32(0); n < 3000; n++ {
		calls.Add(1)
		go func(n uint32) {
			defer calls.Done()
			if got, err := ask(context.Background(), client, n); err != nil || got != n {
				t.Errorf("%d: %d, %v", n, got, err)
			}
		}(n)
	}
	calls.Wait()
}

func TestNoMoreCallsThanTheLimitAreInFlight(t *testing.T) {
	release := make(chan struct{})
	client := serve(t, func(_ int, p *peer) {
		p.welcome()
		var ids []uint64
		for len(ids) < callsMax {
			ids = append(ids, p.next().callID)
		}
		// The others wait for their turn: nothing more arrives until something is answered.
		_ = p.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if p.next() != nil {
			t.Error("more calls than the limit")
		}
		_ = p.SetReadDeadline(time.Time{})
		close(release)
		for _, id := range ids {
			p.send(kindResponse, 0, id, []byte{1, 0, 0, 0})
		}
		p.echo()
	})
	var calls sync.WaitGroup
	for n := 0; n < callsMax+200; n++ {
		calls.Add(1)
		go func() {
			defer calls.Done()
			if _, err := ask(context.Background(), client, 1); err != nil {
				t.Error(err)
			}
		}()
	}
	<-release
	calls.Wait()
}

func TestWaitingForATurnEndsWithTheDeadline(t *testing.T) {
	full := make(chan struct{})
	client := serve(t, func(_ int, p *peer) {
		p.welcome()
		for n := 0; n < callsMax; n++ {
			p.next()
		}
		close(full)
		p.echo()
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var calls sync.WaitGroup
	for n := 0; n < callsMax; n++ {
		calls.Add(1)
		go func() {
			defer calls.Done()
			if _, err := ask(ctx, client, 1); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}()
	}
	<-full
	if _, err := ask(soon(t, 20*time.Millisecond), client, 1); !errors.Is(err, ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := ask(context.Background(), client.WithTimeout(20*time.Millisecond), 1); !errors.Is(err, ErrDeadlineExceeded) {
		t.Errorf("%v", err)
	}
	stop()
	calls.Wait()
	if got, err := ask(context.Background(), client, 5); err != nil || got != 5 {
		t.Errorf("there is room again, but: %d, %v", got, err)
	}
}

func TestADeadlineEndsACallAndTellsTheCell(t *testing.T) {
	cancelled := make(chan uint64, 1)
	client := serve(t, func(_ int, p *peer) {
		p.welcome()
		request := p.next()
		if frame := p.next(); frame != nil && frame.kind == kindCancel && frame.callID == request.callID {
			cancelled <- frame.callID
		}
		p.echo()
	})
	_, err := ask(context.Background(), client.WithTimeout(20*time.Millisecond), 1)
	if !errors.Is(err, ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	<-cancelled
	if got, err := ask(context.Background(), client, 3); err != nil || got != 3 {
		t.Errorf("%d, %v", got, err)
	}
}

func TestCancellingACallTellsTheCell(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	cancelled := make(chan struct{})
	client := serve(t, func(_ int, p *peer) {
		p.welcome()
		request := p.next()
		stop()
		if frame := p.next(); frame == nil || frame.kind != kindCancel || frame.callID != request.callID {
			t.Errorf("%v instead of a CANCEL", frame)
		}
		// It has crossed the answer, which nobody waits for.
		p.send(kindResponse, 0, request.callID, []byte{9, 9, 9, 9})
		close(cancelled)
		p.echo()
	})
	if _, err := ask(ctx, client, 1); !errors.Is(err, ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-cancelled
	if got, err := ask(context.Background(), client, 3); err != nil || got != 3 {
		t.Errorf("%d, %v", got, err)
	}
	if _, err := ask(ctx, client, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a call with an ended context: %v", err)
	}
}

func TestWhatADrainingCellDidNotStartIsSentElsewhere(t *testing.T) {
	started := make(chan struct{})
	client := serve(t, func(n int, p *peer) {
		p.welcome()
		if n > 1 {
			p.echo()
			return
		}
		first := p.next()
		close(started)
		second := p.next()
		p.send(kindGoAway, 0, first.callID, nil)
		p.send(kindResponse, 0, first.callID, first.payload)
		if second.callID <= first.callID {
			t.Error("calls are not numbered upwards")
		}
		if p.next() != nil {
			t.Error("the drained connection is still used")
		}
	})
	var calls sync.WaitGroup
	calls.Add(1)
	go func() {
		defer calls.Done()
		if got, err := ask(context.Background(), client, 1); err != nil || got != 1 {
			t.Errorf("the call that was started: %d, %v", got, err)
		}
	}()
	<-started
	if got, err := ask(context.Background(), client, 2); err != nil || got != 2 {
		t.Errorf("the call that was not started: %d, %v", got, err)
	}
	calls.Wait()
}

func TestAfterAFailedWriteWhatTheCellStillSaysIsRead(t *testing.T) {
	for _, says := range []bool{false, true} {
		says := says
		started, shut := make(chan struct{}), make(chan struct{})
		client := serve(t, func(n int, p *peer) {
			p.welcome()
			if n > 1 {
				p.echo()
				return
			}
			first := p.next()
			close(started)
			if says {
				p.send(kindGoAway, 0, first.callID, nil)
			}
			_ = p.Conn.(*net.UnixConn).CloseRead()
			<-shut
			p.send(kindResponse, 0, first.callID, first.payload)
		})
		var calls sync.WaitGroup
		calls.Add(1)
		go func() {
			defer calls.Done()
			if got, err := ask(context.Background(), client, 1); err != nil || got != 1 {
				t.Errorf("the call that was started: %d, %v", got, err)
			}
		}()
		<-started
		for n := uint32(2); n < 20; n++ {
			if got, err := ask(context.Background(), client, n); err != nil || got != n {
				t.Errorf("a call that did not leave: %d, %v", got, err)
			}
		}
		close(shut)
		calls.Wait()
	}
}

func TestACellThatDiesFailsWhatItMayHaveStarted(t *testing.T) {
	client := serve(t, func(n int, p *peer) {
		p.welcome()
		if n == 1 {
			p.next()
			return
		}
		p.echo()
	})
	_, err := ask(context.Background(), client, 1)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "closed the connection") {
		t.Fatal(err)
	}
	if got, err := ask(context.Background(), client, 2); err != nil || got != 2 {
		t.Errorf("the next call connects again: %d, %v", got, err)
	}
}

func TestBeforeTheHandshakeNothingWasStarted(t *testing.T) {
	client := serve(t, func(n int, p *peer) {
		if n < 4 {
			p.next()
			return
		}
		p.welcome()
		p.echo()
	})
	if got, err := ask(context.Background(), client, 2); err != nil || got != 2 {
		t.Errorf("%d, %v", got, err)
	}
}

func TestRefusalsAndStatusesAreTyped(t *testing.T) {
	drift := "schema drift: `b` has fingerprint 0x1, but …0x7; run `cargo cell build` (or `cargo cell bind`)"
	refusals := []struct {
		code uint16
		want Code
		text string
	}{
		{2, ErrSchemaMismatch, drift},
		{3, ErrRefused, "`button_service` refused the connection: " + drift},
		{9, ErrUnavailable, "`button_service` is unavailable: " + drift},
	}
	for _, refusal := range refusals {
		refusal := refusal
		client := serve(t, func(_ int, p *peer) {
			p.next()
			p.send(kindHelloAck, 0, 0, ack(refusal.code, drift))
		})
		_, err := ask(context.Background(), client, 1)
		if !errors.Is(err, refusal.want) || err.Error() != refusal.text {
			t.Errorf("%d: %v", refusal.code, err)
		}
		var typed *Error
		if !errors.As(err, &typed) || typed.Cell != "button_service" || typed.Fingerprint != 7 {
			t.Errorf("%#v", err)
		}
	}
	statuses := map[uint16]Code{
		1: ErrUnknownRoute, 2: ErrSchemaMismatch, 3: ErrRefused, 4: ErrDeadlineExceeded, 5: ErrCancelled, 6: ErrOverloaded,
		7: ErrInternal, 8: ErrDraining, 9: ErrUnavailable, 10: ErrBadRequest, 999: ErrInternal, 0: ErrInternal,
	}
	for number, code := range statuses {
		number := number
		client := serve(t, func(_ int, p *peer) {
			p.welcome()
			payload := binary.LittleEndian.AppendUint16(nil, number)
			p.send(kindStatus, 0, p.next().callID, append(payload, "why \xff"...))
			p.echo()
		})
		if _, err := ask(context.Background(), client, 1); !errors.Is(err, code) || errors.Is(err, ErrNotFound) {
			t.Errorf("%d: %v", number, err)
		}
	}
}

func TestPingsAreAnswered(t *testing.T) {
	answered := make(chan struct{})
	client := serve(t, func(_ int, p *peer) {
		p.welcome()
		request := p.next()
		p.send(kindPing, 0, 77, nil)
		if pong := p.next(); pong == nil || pong.kind != kindPong || pong.callID != 77 {
			t.Errorf("%v instead of a PONG", pong)
		}
		p.send(kindPong, 0, 1, nil)
		p.send(kindResponse, 0, request.callID, request.payload)
		close(answered)
		p.echo()
	})
	if got, err := ask(context.Background(), client, 2); err != nil || got != 2 {
		t.Errorf("%d, %v", got, err)
	}
	<-answered
}

func TestAClosedClientSaysSo(t *testing.T) {
	var client *Client
	client = serve(t, func(_ int, p *peer) {
		p.welcome()
		p.next()
		_ = client.Close()
		p.next()
	})
	for n := 0; n < 2; n++ {
		if _, err := ask(context.Background(), client, 1); !errors.Is(err, net.ErrClosed) || !errors.Is(err, ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
}

func TestLargeMessagesPass(t *testing.T) {
	client := serve(t, func(_ int, p *peer) {
		p.welcome()
		p.echo()
	})
	bytes := make([]byte, payloadBytesMax-8)
	for i := range bytes {
		bytes[i] = byte(i)
	}
	for _, n := range []int{0, 1, 65479, 65480, 65500, 65536, 1 << 20, len(bytes)} {
		w := NewWriter()
		w.Bytes(bytes[:n])
		if at, ok := w.Place(0, 1, 8, 4); ok {
			w.PutSlice(at, n)
		}
		r, err := client.Call(context.Background(), 1, w)
		if err != nil {
			if n == len(bytes) && errors.Is(err, ErrBadRequest) {
				continue
			}
			t.Fatalf("%d: %v", n, err)
		}
		got := r.Bytes(r.Root(8, 4))
		if err := r.Close(); err != nil || string(got) != string(bytes[:n]) {
			t.Fatalf("%d: %d bytes, %v", n, len(got), err)
		}
	}
	w := NewWriter()
	w.Bytes(make([]byte, payloadBytesMax))
	w.Place(0, 1, 8, 4)
	if _, err := client.Call(context.Background(), 1, w); !errors.Is(err, ErrBadRequest) && !errors.Is(err, ErrArchive) {
		t.Errorf("too large: %v", err)
	}
}
