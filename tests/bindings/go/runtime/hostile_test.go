package cell

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// frameOf is a frame whose header says what it likes.
func frameOf(length uint32, k kind, extLen uint16, id uint64, payload []byte) []byte {
	b := make([]byte, headerLen, headerLen+len(payload))
	binary.LittleEndian.PutUint32(b, length)
	b[4] = byte(k)
	binary.LittleEndian.PutUint16(b[6:], extLen)
	binary.LittleEndian.PutUint64(b[8:], id)
	return append(b, payload...)
}

// TestViolationsEndTheConnection: each of them, before and after the handshake, cut off or not, fails the call at once.
func TestViolationsEndTheConnection(t *testing.T) {
	good := ack(0, "")
	violations := map[string][]byte{
		"unknown kind":        frameOf(0, 13, 0, 1, nil),
		"kind 0":              frameOf(0, 0, 0, 1, nil),
		"huge payload":        frameOf(1<<32-1, kindResponse, 0, 1, nil),
		"one byte too many":   frameOf(payloadBytesMax+1, kindResponse, 0, 1, nil),
		"extension too long":  frameOf(16, kindResponse, 32, 1, make([]byte, 16)),
		"odd extension":       frameOf(32, kindResponse, 17, 1, make([]byte, 32)),
		"a request":           frameOf(0, kindRequest, 0, 1, nil),
		"a HELLO":             frameOf(0, kindHello, 0, 0, nil),
		"a CANCEL":            frameOf(0, kindCancel, 0, 1, nil),
		"short status":        frameOf(1, kindStatus, 0, 1, []byte{1}),
		"empty status":        frameOf(0, kindStatus, 0, 1, nil),
		"second handshake":    frameOf(uint32(len(good)), kindHelloAck, 0, 0, good),
		"cut header":          frameOf(0, kindResponse, 0, 1, nil)[:31],
		"cut payload":         frameOf(100, kindResponse, 0, 1, make([]byte, 99)),
		"cut large payload":   frameOf(1<<20, kindResponse, 0, 1, make([]byte, 1<<19)),
		"cut ext of a status": frameOf(16, kindStatus, 16, 1, make([]byte, 16)),
	}
	for name, bytes := range violations {
		bytes := bytes
		client := serve(t, func(n int, p *peer) {
			p.welcome()
			p.next()
			_, _ = p.Write(bytes)
		})
		if _, err := ask(soon(t, patience), client, 1); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	handshakes := map[string][]byte{
		"empty":           nil,
		"another magic":   append([]byte("CALL"), good[4:]...),
		"cut in the name": good[:19],
		"long name":       append(append([]byte{}, good[:18]...), 0xff, 0xff),
		"cut message":     append(append([]byte{}, good[:len(good)-2]...), 9, 0),
		"long message":    append(append([]byte{}, good[:len(good)-2]...), 0xff, 0xff),
		"bad UTF-8":       append(append([]byte{}, good[:20]...), 0xff, 0, 0, 0, 0),
	}
	for name, payload := range handshakes {
		payload := payload
		client := serve(t, func(_ int, p *peer) {
			p.send(kindHelloAck, 0, 0, payload)
		})
		// Nothing was started: it is tried again until the deadline is near.
		if _, err := ask(soon(t, 100*time.Millisecond), client, 1); !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrDeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, k := range []kind{kindResponse, kindStatus, kindGoAway, kindPing, kindPong, kindRequest, kindHello, kindCancel} {
		k := k
		client := serve(t, func(_ int, p *peer) {
			p.send(k, 0, 1, []byte{0, 0, 0, 0})
		})
		if _, err := ask(soon(t, 50*time.Millisecond), client, 1); err == nil {
			t.Errorf("kind %d before the handshake is accepted", k)
		}
	}
}

func TestRandomBytesNeverAnswerACall(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for round := 0; round < 300; round++ {
		bytes := make([]byte, random.Intn(4096))
		random.Read(bytes)
		welcome := round%2 == 0
		client := serve(t, func(_ int, p *peer) {
			if welcome {
				p.welcome()
			}
			_, _ = p.Write(bytes)
		})
		if _, err := ask(soon(t, 10*time.Millisecond), client, 1); err == nil {
			t.Errorf("%x is an answer", bytes)
		}
		_ = client.Close()
	}
}

// TestDamagedFramesNeverHang: a good conversation with each of its bits turned, one byte at a time.
func TestDamagedFramesNeverHang(t *testing.T) {
	good := ack(0, "")
	talk := append(frameOf(uint32(len(good)), kindHelloAck, 0, 0, good), frameOf(4, kindResponse, 0, 1, []byte{1, 0, 0, 0})...)
	for bit := 0; bit < len(talk)*8; bit++ {
		damaged, split := append([]byte{}, talk...), bit%len(talk)
		damaged[bit/8] ^= 1 << (bit % 8)
		client := serve(t, func(_ int, p *peer) {
			p.next()
			p.next()
			_, _ = p.Write(damaged[:split])
			_, _ = p.Write(damaged[split:])
		})
		// A value, or an error: what counts is that it comes.
		_, _ = ask(soon(t, 5*time.Millisecond), client, 1)
		_ = client.Close()
	}
}

// TestACellThatReadsNothingHoldsNobodyUp: requests that no longer leave end with their deadlines and are not kept.
func TestACellThatReadsNothingHoldsNobodyUp(t *testing.T) {
	hold := make(chan struct{})
	client := serve(t, func(_ int, p *peer) { <-hold })
	defer close(hold)
	big := make([]byte, 1<<20)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for round := 0; round < 200; round++ {
		w := NewWriter()
		w.Bytes(big)
		if at, ok := w.Place(0, 1, 8, 4); ok {
			w.PutSlice(at, len(big))
		}
		_, err := client.WithTimeout(2*time.Millisecond).Call(context.Background(), 1, w)
		if !errors.Is(err, ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 32<<20 {
		t.Errorf("%d MiB are kept for a cell that reads nothing", kept>>20)
	}
}

func TestPingsOfACellThatReadsNothingEndTheConnection(t *testing.T) {
	client := serve(t, func(_ int, p *peer) {
		p.welcome()
		p.next()
		for {
			ping := frameOf(0, kindPing, 0, 5, nil)
			if _, err := p.Write(ping); err != nil {
				return
			}
		}
	})
	if _, err := ask(soon(t, patience), client, 1); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}

func TestALengthAloneTakesNoMemory(t *testing.T) {
	hold := make(chan struct{})
	client := serve(t, func(_ int, p *peer) {
		p.welcome()
		id := p.next().callID
		_, _ = p.Write(frameOf(payloadBytesMax, kindResponse, 0, id, make([]byte, 100)))
		<-hold
	})
	defer close(hold)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ask(soon(t, 50*time.Millisecond), client, 1)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrDeadlineExceeded) {
		t.Error(err)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 4<<20 {
		t.Errorf("%d bytes for 100 that came", taken)
	}
}

func TestAnswersThatAreNoArchivesAreErrors(t *testing.T) {
	for _, answer := range [][]byte{nil, {1}, {1, 2, 3}} {
		answer := answer
		client := serve(t, func(_ int, p *peer) {
			p.welcome()
			p.send(kindResponse, 0, p.next().callID, answer)
			p.echo()
		})
		if _, err := ask(context.Background(), client, 1); !errors.Is(err, ErrArchive) {
			t.Errorf("%x: %v", answer, err)
		}
		if got, err := ask(context.Background(), client, 2); err != nil || got != 2 {
			t.Errorf("the connection goes on: %d, %v", got, err)
		}
	}
	client := serve(t, func(_ int, p *peer) {
		p.welcome()
		p.send(kindResponse, flagAppError, p.next().callID, []byte{1, 0, 0, 0})
		p.echo()
	})
	if _, err := ask(context.Background(), client, 1); !errors.Is(err, ErrArchive) || !strings.Contains(err.Error(), "its schema has none") {
		t.Errorf("%v", err)
	}
}

func TestAnArchiveDoesNotUnfold(t *testing.T) {
	// Vectors that all point to the same items: 1 MiB would become many times that.
	archive := make([]byte, 1<<20)
	r := NewReader(archive)
	root := r.Root(8, 4)
	binary.LittleEndian.PutUint32(archive[root:], uint32(-root))
	binary.LittleEndian.PutUint32(archive[root+4:], uint32(root/8))
	for at := 0; at+8 <= root; at += 8 {
		binary.LittleEndian.PutUint32(archive[at:], uint32(-at))
		binary.LittleEndian.PutUint32(archive[at+4:], uint32(root))
	}
	start, n := r.Slice(root, 8, 4)
	items := 0
	for i := 0; i < n; i++ {
		items += len(r.Bytes(start + i*8))
	}
	if err := r.Close(); !errors.Is(err, ErrArchive) || items > len(archive) {
		t.Errorf("%d bytes, %v", items, err)
	}
	// And items without bytes.
	archive = make([]byte, 8)
	binary.LittleEndian.PutUint32(archive[4:], 1<<32-1)
	r = NewReader(archive)
	if _, n := r.Slice(r.Root(8, 4), 0, 1); n != 0 || !errors.Is(r.Close(), ErrArchive) {
		t.Errorf("%d units", n)
	}
}

func TestDiscovery(t *testing.T) {
	home := t.TempDir()
	t.Setenv("CELL_RUN", "")
	t.Setenv("CELL_HOME", home)
	touch := func(path string) {
		if err := os.MkdirAll(home+"/run/"+path[:1], 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(home+"/run/"+path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	missing := func(cell, part string) {
		t.Helper()
		if _, err := find(cell, 7); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), part) {
			t.Errorf("%v", err)
		}
	}
	missing("a", "cargo cell dev")
	touch("1/a.sock")
	if path, err := find("a", 7); err != nil || path != home+"/run/1/a.sock" {
		t.Errorf("%s, %v", path, err)
	}
	touch("1/a.0000000000000007.sock")
	if path, err := find("a", 7); err != nil || path != home+"/run/1/a.0000000000000007.sock" {
		t.Errorf("%s, %v", path, err)
	}
	touch("2/a.sock")
	missing("a", "CELL_RUN")
	for _, bad := range []string{"", "../a", "a/b", "-a", "ä", strings.Repeat("a", 65)} {
		missing(bad, "ASCII")
	}
	t.Setenv("CELL_RUN", home+"/run/2")
	if path, err := find("a", 7); err != nil || path != home+"/run/2/a.sock" {
		t.Errorf("%s, %v", path, err)
	}
	missing("b", "CELL_RUN")
	for address, part := range map[string]string{"host": "is no address", "a@host:4433": "cellquic", "host:4433": "cargo cell relay", "host:0": "no address", "[x]:1": "no address", "": "no address"} {
		if _, err := NewClientAt(address, "a", 7); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v", address, err)
		}
	}
	client, err := NewClientAt("b@/nowhere/b.sock", "a", 7)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(context.Background(), client, 1); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "/nowhere/b.sock") {
		t.Errorf("%v", err)
	}
}

func TestVectorsOfTheProtocolHold(t *testing.T) {
	vectors := loadVectors(t)
	t.Setenv("CELL_NAME", "demo")
	same := func(name string, got []byte) {
		t.Helper()
		if hex.EncodeToString(got) != vectors[name] {
			t.Errorf("%s: %x instead of %s", name, got, vectors[name])
		}
	}
	same("hello", hello("button_service", 0x8a37000000000001))
	request := append(make([]byte, headerLen), "start_bt"...)
	putHeader(request, kindRequest, 1, 0x1122334455667788, 10_000_000)
	same("request", request)
	same("cancel", bare(kindCancel, 1))
	same("pong", bare(kindPong, 5))
	for name, wanted := range map[string]Code{"hello_ack accepted": 0, "hello_ack refused": ErrSchemaMismatch} {
		b, _ := hex.DecodeString(vectors[name])
		refused, err := parseHelloAck(b[headerLen:])
		if err != nil || (refused == nil) != (wanted == 0) || refused != nil && refused.code != wanted {
			t.Errorf("%s: %v, %v", name, refused, err)
		}
	}
}
