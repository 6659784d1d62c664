//go:build go1.23

package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"example.com/app/cells/cell"
	"example.com/app/cells/matrix"
)

// numbers yields those of a range, one by one.
func numbers(from, to uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for number := from; number < to; number++ {
			if !yield(number) {
				return
			}
		}
	}
}

func streams() error {
	for _, play := range []func() error{received, failing, collected, joined, doubled, large, endless} {
		if err := play(); err != nil {
			return err
		}
	}
	return nil
}

func received() error {
	for _, to := range []uint32{0, 10_000} {
		next := uint32(0)
		for item, err := range cells.Count(to) {
			if err != nil || item != next {
				return fmt.Errorf("%d instead of %d: %w", item, next, err)
			}
			next++
		}
		if next != to {
			return fmt.Errorf("%d items instead of %d", next, to)
		}
	}
	return nil
}

func failing() error {
	seen := uint32(0)
	for tick, err := range cells.Watch("refused", 3) {
		if err != nil {
			var refused matrix.MatrixErrorRefused
			if !errors.As(err, &refused) || refused.Value != 42 || seen != 3 {
				return fmt.Errorf("after %d: %w", seen, err)
			}
			return nil
		}
		if tick.At != seen || tick.Name != fmt.Sprintf("tick number %d", seen) {
			return fmt.Errorf("%v is not %d", tick, seen)
		}
		seen++
	}
	return errors.New("it ended without its error")
}

func collected() error {
	if err := want[uint64](50_005_005)(cells.Sum(5, numbers(1, 10_001))); err != nil {
		return err
	}
	return want[uint64](5)(cells.Sum(5, numbers(0, 0)))
}

func joined() error {
	words := []string{"a", strings.Repeat("é", 1000)}
	if text, err := cells.Join(slices.Values(words)); err != nil || len(text) != 2001 {
		return fmt.Errorf("%q: %w", text, err)
	}
	if _, err := cells.Join(slices.Values([]string{})); !errors.As(err, new(matrix.MatrixErrorEmpty)) {
		return fmt.Errorf("no error: %w", err)
	}
	told := make(chan struct{})
	text, err := cells.Join(func(yield func(string) bool) {
		defer close(told)
		for number := 0; ; number++ {
			word := "x"
			if number == 100 {
				word = "stop"
			}
			if !yield(word) {
				return
			}
		}
	})
	if err != nil || len(text) != 100 {
		return fmt.Errorf("%q: %w", text, err)
	}
	<-told
	return nil
}

func doubled() error {
	ask, answered := make(chan uint32), uint32(0)
	go func() { ask <- 0 }()
	questions := func(yield func(uint32) bool) {
		for number := range ask {
			if !yield(number) {
				return
			}
		}
	}
	for item, err := range cells.Double(questions) {
		if err != nil || item != 2*uint64(answered) {
			return fmt.Errorf("%d for %d: %w", item, answered, err)
		}
		if answered++; answered == 100 {
			close(ask)
		} else {
			ask <- answered
		}
	}
	if answered != 100 {
		return fmt.Errorf("%d answers", answered)
	}
	count := 0
	for _, err := range cells.Double(numbers(0, 50_000)) {
		if err != nil {
			return err
		}
		count++
	}
	if count != 50_000 {
		return fmt.Errorf("%d answers", count)
	}
	return nil
}

func large() error {
	size := 0
	for blob, err := range cells.Blobs(3, 3_000_000) {
		if err != nil {
			return err
		}
		size += len(blob)
	}
	if size != 9_000_000 {
		return fmt.Errorf("%d bytes", size)
	}
	var bytes []byte
	for b, err := range cells.Bytes(slices.Values([]byte{1, 2, 255})) {
		if err != nil {
			return err
		}
		bytes = append(bytes, b)
	}
	if !slices.Equal(bytes, []byte{1, 2, 255}) {
		return fmt.Errorf("%v", bytes)
	}
	return nil
}

func endless() error {
	before, err := cells.Cancelled()
	if err != nil {
		return err
	}
	next := uint32(0)
	for item, err := range cells.Forever() {
		if err != nil || item != next {
			return fmt.Errorf("%d instead of %d: %w", item, next, err)
		}
		if next++; next == 5 {
			break
		}
	}
	for after := before; after == before; {
		if after, err = cells.Cancelled(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	for _, err := range cells.ForeverContext(ctx) {
		if err != nil {
			if errors.Is(err, cell.ErrDeadlineExceeded) {
				return nil
			}
			return err
		}
	}
	return errors.New("it ended without its deadline")
}
