// Command matrix plays the scenarios of the live matrix with the generated client.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/app/cells/cell"
	"example.com/app/cells/matrix"
)

func main() {
	scenarios := map[string]func() error{
		"call":        call,
		"typed_error": typedError,
		"streams":     streams,
		"deadline":    deadline,
		"cancel":      cancel,
		"concurrent":  concurrent,
		"overloaded":  overloaded,
		"drift":       drift,
		"drain":       drain,
	}
	name := os.Args[len(os.Args)-1]
	play, known := scenarios[name]
	if !known {
		fmt.Fprintf(os.Stderr, "there is no scenario %q\n", name)
		os.Exit(1)
	}
	if err := play(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ok")
}

// want fails where a call failed or gave something else.
func want[T comparable](wanted T) func(got T, err error) error {
	return func(got T, err error) error {
		if err == nil && got != wanted {
			err = fmt.Errorf("%v instead of %v", got, wanted)
		}
		return err
	}
}

func call() error {
	text := strings.Repeat("é", 5000)
	if err := want(text)(cells.Echo(text)); err != nil {
		return err
	}
	if err := want[uint64](5)(cells.Add(2, 3)); err != nil {
		return err
	}
	if err := want[uint64](1)(cells.Add(1<<64-1, 2)); err != nil {
		return err
	}
	bytes, err := cells.Big(1 << 20)
	if err != nil || len(bytes) != 1<<20 || bytes[1<<19] != 7 {
		return fmt.Errorf("%d bytes: %w", len(bytes), err)
	}
	if err := want[uint32](1)(cells.Generation()); err != nil {
		return err
	}
	if _, err := cells.Panics(); !errors.Is(err, cell.ErrInternal) || !strings.Contains(err.Error(), "it broke") {
		return fmt.Errorf("no panic: %w", err)
	}
	conn, err := connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := want[uint64](5)(conn.Add(2, 3)); err != nil {
		return err
	}
	return traces()
}

func traces() error {
	const text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	broken := strings.Repeat("0", len(text))
	for given, wanted := range map[string]string{text: text, broken: "", "": ""} {
		ctx := cell.WithTraceparent(context.Background(), given)
		if err := want(wanted)(cells.TraceContext(ctx)); err != nil {
			return fmt.Errorf("trace %q: %w", given, err)
		}
		// As a loop of Go 1.23 would do it.
		var failed error
		cells.TraceStreamContext(ctx)(func(item string, err error) bool {
			failed = want(wanted)(item, err)
			return failed == nil
		})
		if failed != nil {
			return fmt.Errorf("trace %q of a stream: %w", given, failed)
		}
	}
	return want("")(cells.Trace())
}

func typedError() error {
	_, err := cells.Fail("not_found")
	var missing matrix.MatrixErrorNotFound
	if !errors.As(err, &missing) || missing.ID != "a name that is long" {
		return fmt.Errorf("not_found: %w", err)
	}
	_, err = cells.Fail("refused")
	var any matrix.MatrixError
	if !errors.As(err, &any) || any != (matrix.MatrixErrorRefused{Value: 42}) {
		return fmt.Errorf("refused: %w", err)
	}
	if _, err = cells.Fail("empty"); !errors.Is(err, matrix.MatrixErrorEmpty{}) {
		return fmt.Errorf("empty: %w", err)
	}
	return want[uint32](4)(cells.Fail("fine"))
}

func deadline() error {
	started := time.Now()
	ctx, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer stop()
	_, err := cells.SlowContext(ctx, 5000)
	if !errors.Is(err, cell.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no deadline: %w", err)
	}
	conn, err := connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err = conn.WithTimeout(50 * time.Millisecond).Slow(5000); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no timeout: %w", err)
	}
	if took := time.Since(started); took > 4*time.Second {
		return fmt.Errorf("it waited for %v", took)
	}
	return nil
}

func cancel() error {
	before, err := cells.Cancelled()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() {
		_, err := cells.SlowContext(ctx, 60_000)
		done <- err
	}()
	if _, err := cells.UntilServed(1); err != nil {
		return err
	}
	stop()
	if err := <-done; !errors.Is(err, cell.ErrCancelled) || !errors.Is(err, context.Canceled) {
		return fmt.Errorf("not cancelled: %w", err)
	}
	for {
		now, err := cells.Cancelled()
		if err != nil || now > before {
			return err
		}
	}
}

func concurrent() error {
	failed := make(chan error, 1000)
	for n := uint64(0); n < 1000; n++ {
		n := n
		go func() { failed <- want(n + 1_000_000)(cells.Add(n, 1_000_000)) }()
	}
	for n := 0; n < 1000; n++ {
		if err := <-failed; err != nil {
			return err
		}
	}
	return nil
}

func overloaded() error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 3)
	slow := func() {
		_, err := cells.SlowContext(ctx, 60_000)
		ended <- err
	}
	go slow()
	go slow()
	// It is the third call itself.
	if _, err := cells.UntilServed(2); err != nil {
		return err
	}
	go slow()
	var failed *cell.Error
	for failed == nil {
		if _, err := cells.Add(2, 3); err != nil && !errors.As(err, &failed) {
			return err
		}
	}
	if !errors.Is(failed, cell.ErrOverloaded) || failed.RetryAfter <= 0 || failed.RetryAfter >= time.Second {
		return fmt.Errorf("not overloaded, or without a hint (%v): %w", failed.RetryAfter, failed)
	}
	// Those that were started are not harmed; without them there is room again.
	if len(ended) > 0 {
		return fmt.Errorf("a call that was started has ended: %w", <-ended)
	}
	stop()
	for {
		if _, err := cells.Add(2, 3); err == nil {
			return nil
		}
	}
}

func drift() error {
	_, err := cells.Add(1, 1)
	if !errors.Is(err, cell.ErrSchemaMismatch) {
		return fmt.Errorf("another schema was not refused: %w", err)
	}
	text := err.Error()
	own := fmt.Sprintf("%#016x", matrix.Fingerprint)
	if !strings.Contains(text, own) || strings.Count(text, "0x") < 2 || !strings.Contains(text, "cargo cell") {
		return err
	}
	return nil
}

func drain() error {
	var stop atomic.Bool
	var calls atomic.Uint64
	var callers sync.WaitGroup
	failed := make(chan error, 4)
	for caller := uint64(0); caller < 4; caller++ {
		caller := caller
		callers.Add(1)
		go func() {
			defer callers.Done()
			for n := uint64(0); !stop.Load(); n++ {
				if err := want(n + caller)(cells.Add(n, caller)); err != nil {
					failed <- err
					return
				}
				calls.Add(1)
			}
		}()
	}
	said, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil || said != "stop\n" {
		return fmt.Errorf("%q instead of stop: %w", said, err)
	}
	stop.Store(true)
	callers.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	fmt.Println(calls.Load())
	return nil
}
