package cell

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a test waits for what must come, before it fails.
const patience = 20 * time.Second

// peer is the server's end of a connection.
type peer struct {
	net.Conn
	t *testing.T
}

// serve runs a handler for each connection, and returns a client of that server.
func serve(t *testing.T, handle func(n int, p *peer)) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	var count atomic.Int32
	go func() {
		for {
			stream, err := listener.Accept()
			if err != nil {
				return
			}
			n := int(count.Add(1))
			go func() {
				handle(n, &peer{stream, t})
				_ = stream.Close()
			}()
		}
	}()
	client, err := NewClientAt(path, "button_service", 7)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// received is a frame from the client.
type received struct {
	header
	payload []byte
}

// next reads a frame; nil where the client is gone.
func (p *peer) next() *received {
	head := make([]byte, headerLen)
	if _, err := io.ReadFull(p, head); err != nil {
		return nil
	}
	h, err := parseHeader(head)
	if err != nil {
		p.t.Errorf("the client sent %v", err)
		return nil
	}
	body := make([]byte, h.len)
	if _, err := io.ReadFull(p, body); err != nil {
		return nil
	}
	return &received{h, body[h.extLen:]}
}

func (p *peer) send(k kind, flags uint8, id uint64, payload []byte) {
	frame := append(make([]byte, headerLen), payload...)
	putHeader(frame, k, id, 0, 0)
	frame[5] = flags
	_, _ = p.Write(frame)
}

// ack is the payload of a handshake.
func ack(code uint16, message string) []byte {
	b := []byte(magic)
	b = binary.LittleEndian.AppendUint16(b, protocolVersion)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, 7)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = append(b, 'b')
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(message)))
	return append(b, message...)
}

// welcome reads the HELLO and accepts.
func (p *peer) welcome() {
	if hello := p.next(); hello != nil && hello.kind != kindHello {
		p.t.Errorf("kind %d instead of a HELLO", hello.kind)
	}
	p.send(kindHelloAck, 0, 0, ack(0, ""))
}

// echo answers everything until the client is gone.
func (p *peer) echo() {
	for frame := p.next(); frame != nil; frame = p.next() {
		if frame.kind == kindRequest {
			p.send(kindResponse, 0, frame.callID, frame.payload)
		}
	}
}

// ask sends a number and returns the one that comes back.
func ask(ctx context.Context, c *Client, number uint32) (uint32, error) {
	w := NewWriter()
	if at, ok := w.Place(0, 1, 4, 4); ok {
		w.PutU32(at, number)
	}
	r, err := c.Call(ctx, 1, w)
	if err != nil {
		return 0, err
	}
	r.Unexpected()
	got := r.U32(r.Root(4, 4))
	return got, r.Close()
}

// soon is a context that ends after d.
func soon(t *testing.T, d time.Duration) context.Context {
	ctx, stop := context.WithTimeout(context.Background(), d)
	t.Cleanup(stop)
	return ctx
}
