// Command network calls and streams over a bad line until a line comes in. Usage: network AT STREAMS.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"example.com/app/cells/cell"
	"example.com/app/cells/cellquic"
	"example.com/app/cells/matrix"
)

const (
	timeout = 3 * time.Second
	// hangs is how much longer than its deadline a call takes that hangs.
	hangs   = 20 * time.Second
	callers = 8
)

// ends prints what became of a call; done is the word where it succeeded.
func ends(done, failed, text string, call func(ctx context.Context) (bool, error)) {
	ctx, stop := context.WithTimeout(context.Background(), timeout)
	defer stop()
	hung := time.AfterFunc(timeout+hangs, func() { fmt.Println("hung", text) })
	isRight, err := call(ctx)
	hung.Stop()
	switch {
	case err == nil && isRight:
		fmt.Println(done, text)
	case errors.Is(err, cell.ErrDeadlineExceeded), errors.Is(err, cell.ErrUnavailable):
		fmt.Println(failed, text)
	default:
		fmt.Println("wrong", text, err)
	}
}

func main() {
	quic, err := cellquic.New(cellquic.Keys{})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = quic.Close() }()
	connect := func(address string) *matrix.Conn {
		conn, err := matrix.Connect(address, cell.Over(quic))
		if err != nil {
			log.Fatal(err)
		}
		return conn
	}
	calls, streams := connect(os.Args[1]), connect(os.Args[2])
	var done atomic.Bool
	var all sync.WaitGroup
	for number := range callers {
		all.Go(func() {
			for count := 0; !done.Load(); count++ {
				text := fmt.Sprintf("%d.%d", number, count)
				ends("answered", "failed", text, func(ctx context.Context) (bool, error) {
					given, err := calls.EchoContext(ctx, text)
					return given == text, err
				})
			}
		})
	}
	all.Go(func() {
		const to = 20_000
		for !done.Load() {
			ends("streamed", "cut", fmt.Sprint(to), func(ctx context.Context) (bool, error) {
				next := uint32(0)
				for item, err := range streams.CountContext(ctx, to) {
					if err != nil || item != next {
						return false, err
					}
					next++
				}
				return next == to, nil
			})
		}
	})
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	done.Store(true)
	all.Wait()
}
