package hostile

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"example.com/app/cells/cell"
	"example.com/app/cells/cellquic"
	"example.com/app/cells/matrix"
)

const (
	kindHelloAck = 2
	kindResponse = 4
	drainingCode = 1
)

// call is one that has come to the server.
type call struct {
	// number counts all calls, from 1.
	number int
	conn   *quic.Conn
	stream *quic.Stream
}

// server plays a cell on the network: the script says what becomes of each call.
type server struct {
	t      *testing.T
	script func(call)
	at     string
	// stop ends it and its connections.
	stop func()

	mu    sync.Mutex
	calls []*quic.Conn
}

// serve starts one; its connections take so many calls at once.
func serve(t *testing.T, streams int64, script func(call)) *server {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(os.Getenv("CELL_KEYS"), "matrix.pem"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := tls.X509KeyPair(text, text)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"cell/1"}, ClientAuth: tls.RequireAnyClientCert}
	listener, err := quic.ListenAddr("127.0.0.1:0", config, &quic.Config{MaxIncomingStreams: streams})
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, script: script, at: "matrix@" + listener.Addr().String()}
	s.stop = func() { _ = listener.Close() }
	t.Cleanup(s.stop)
	go func() {
		for {
			conn, err := listener.Accept(context.Background())
			if err != nil {
				return
			}
			go s.take(conn)
		}
	}()
	return s
}

func (s *server) take(conn *quic.Conn) {
	for {
		stream, err := conn.AcceptStream(context.Background())
		if err != nil {
			return
		}
		go func() {
			// The handshake and the head of the request come together.
			if _, err := stream.Read(make([]byte, 4096)); err != nil {
				return
			}
			s.mu.Lock()
			s.calls = append(s.calls, conn)
			number := len(s.calls)
			s.mu.Unlock()
			s.script(call{number, conn, stream})
		}()
	}
}

// saw checks how many calls came, on how many connections.
func (s *server) saw(calls, connections int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[*quic.Conn]bool)
	for _, conn := range s.calls {
		all[conn] = true
	}
	if len(s.calls) != calls || len(all) != connections {
		s.t.Errorf("%d calls on %d connections instead of %d on %d", len(s.calls), len(all), calls, connections)
	}
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// connect returns a client of it.
func (s *server) connect() *matrix.Conn {
	s.t.Helper()
	transport, err := cellquic.New(cellquic.Keys{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = transport.Close() })
	conn, err := matrix.Connect(s.at, cell.Over(transport))
	if err != nil {
		s.t.Fatal(err)
	}
	return conn.WithTimeout(20 * time.Second)
}

func frame(kind byte, callID uint64, payload []byte) []byte {
	head := make([]byte, 32, 32+len(payload))
	binary.LittleEndian.PutUint32(head, uint32(len(payload)))
	head[4] = kind
	binary.LittleEndian.PutUint64(head[8:], callID)
	return append(head, payload...)
}

// ack is the server's handshake.
func ack(fingerprint uint64, code uint16, message string) []byte {
	var payload bytes.Buffer
	payload.WriteString("CELL")
	for _, part := range []any{
		uint16(1), uint32(0), fingerprint, uint16(len(matrix.Cell)), []byte(matrix.Cell),
		code, uint16(len(message)), []byte(message),
	} {
		_ = binary.Write(&payload, binary.LittleEndian, part)
	}
	return frame(kindHelloAck, 0, payload.Bytes())
}

func accepted() []byte { return ack(matrix.Fingerprint, 0, "") }

func (c call) say(parts ...[]byte) {
	for _, part := range parts {
		_, _ = c.stream.Write(part)
	}
}

// answer ends the call with a sum.
func (c call) answer(sum uint64) {
	c.say(accepted(), frame(kindResponse, 1, binary.LittleEndian.AppendUint64(nil, sum)))
	_ = c.stream.Close()
}

// reset ends it without one.
func (c call) reset(code quic.StreamErrorCode) {
	c.stream.CancelWrite(code)
	c.stream.CancelRead(code)
}
