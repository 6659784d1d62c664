//go:build go1.23

package main

import (
	"context"
	"iter"
	"os"

	"example.com/app/cells/matrix"
)

// client is what the scenarios call.
type client interface {
	Add(a, b uint64) (uint64, error)
	Big(bytes uint32) ([]byte, error)
	Blobs(count, bytes uint32) iter.Seq2[[]byte, error]
	Bytes(items iter.Seq[byte]) iter.Seq2[byte, error]
	Cancelled() (uint64, error)
	Count(to uint32) iter.Seq2[uint32, error]
	Double(items iter.Seq[uint32]) iter.Seq2[uint64, error]
	Echo(text string) (string, error)
	Fail(kind string) (uint32, error)
	Forever() iter.Seq2[uint32, error]
	ForeverContext(ctx context.Context) iter.Seq2[uint32, error]
	Generation() (uint32, error)
	Join(items iter.Seq[string]) (string, error)
	Panics() (uint32, error)
	SlowContext(ctx context.Context, ms uint32) (uint32, error)
	Sum(start uint64, items iter.Seq[uint32]) (uint64, error)
	Trace() (string, error)
	TraceContext(ctx context.Context) (string, error)
	TraceStreamContext(ctx context.Context) iter.Seq2[string, error]
	UntilServed(count uint64) (uint64, error)
	Watch(kind string, ticks uint32) iter.Seq2[matrix.Tick, error]
}

// cells is the package itself, which finds the cell by its name; another file may put a connection there.
var cells client = byName{}

// connect makes a connection of its own.
var connect = func() (*matrix.Conn, error) {
	return matrix.Connect("matrix@" + os.Getenv("CELL_RUN") + "/matrix.sock")
}

type byName struct{}

func (byName) Add(a, b uint64) (uint64, error)                     { return matrix.Add(a, b) }
func (byName) Big(n uint32) ([]byte, error)                        { return matrix.Big(n) }
func (byName) Blobs(n, size uint32) iter.Seq2[[]byte, error]       { return matrix.Blobs(n, size) }
func (byName) Bytes(in iter.Seq[byte]) iter.Seq2[byte, error]      { return matrix.Bytes(in) }
func (byName) Cancelled() (uint64, error)                          { return matrix.Cancelled() }
func (byName) Count(to uint32) iter.Seq2[uint32, error]            { return matrix.Count(to) }
func (byName) Double(in iter.Seq[uint32]) iter.Seq2[uint64, error] { return matrix.Double(in) }
func (byName) Echo(text string) (string, error)                    { return matrix.Echo(text) }
func (byName) Fail(kind string) (uint32, error)                    { return matrix.Fail(kind) }
func (byName) Forever() iter.Seq2[uint32, error]                   { return matrix.Forever() }
func (byName) Generation() (uint32, error)                         { return matrix.Generation() }
func (byName) Join(in iter.Seq[string]) (string, error)            { return matrix.Join(in) }
func (byName) Panics() (uint32, error)                             { return matrix.Panics() }
func (byName) Sum(n uint64, in iter.Seq[uint32]) (uint64, error)   { return matrix.Sum(n, in) }
func (byName) Trace() (string, error)                              { return matrix.Trace() }
func (byName) UntilServed(n uint64) (uint64, error)                { return matrix.UntilServed(n) }

func (byName) ForeverContext(ctx context.Context) iter.Seq2[uint32, error] {
	return matrix.ForeverContext(ctx)
}

func (byName) SlowContext(ctx context.Context, ms uint32) (uint32, error) {
	return matrix.SlowContext(ctx, ms)
}

func (byName) TraceContext(ctx context.Context) (string, error) {
	return matrix.TraceContext(ctx)
}

func (byName) TraceStreamContext(ctx context.Context) iter.Seq2[string, error] {
	return matrix.TraceStreamContext(ctx)
}

func (byName) Watch(kind string, ticks uint32) iter.Seq2[matrix.Tick, error] {
	return matrix.Watch(kind, ticks)
}
