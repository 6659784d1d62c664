// Command remote prints what a client of another machine is told. Its argument is the scenario; `CELL_AT` is the cell's
// address.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"example.com/app/cells/cell"
	"example.com/app/cells/cellquic"
	"example.com/app/cells/matrix"
)

var at = os.Getenv("CELL_AT")

func main() {
	switch os.Args[1] {
	case "fails":
		fails()
	case "silent":
		silent()
	case "restarted":
		restarted()
	case "missing":
		_, err := matrix.Connect(at)
		fmt.Println(err)
	}
}

func connect() (*matrix.Conn, *cellquic.Transport, error) {
	quic, err := cellquic.New(cellquic.Keys{})
	if err != nil {
		return nil, nil, err
	}
	conn, err := matrix.Connect(at, cell.Over(quic))
	return conn, quic, err
}

func must() (*matrix.Conn, *cellquic.Transport) {
	conn, quic, err := connect()
	if err != nil {
		log.Fatal(err)
	}
	return conn, quic
}

// fails prints what a call fails with, and a stream.
func fails() {
	conn, quic, err := connect()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = quic.Close() }()
	conn = conn.WithTimeout(8 * time.Second)
	show(conn.Add(2, 3))
	for _, err := range conn.Count(1) {
		show(5, err)
	}
}

func show(sum uint64, err error) {
	var failed *cell.Error
	switch {
	case err == nil:
		fmt.Println("answered:", sum)
	case errors.As(err, &failed):
		fmt.Printf("%v: %v\n", failed.Code, err)
	default:
		fmt.Println(err)
	}
}

// silent calls somebody who does not answer.
func silent() {
	conn, quic := must()
	limited := conn.WithTimeout(300 * time.Millisecond)
	ctx, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer stop()
	_, one := conn.AddContext(ctx, 2, 3)
	_, two := limited.Add(2, 3)
	errs := []error{one, two}
	for _, err := range limited.Count(3) {
		errs = append(errs, err)
	}
	for _, err := range errs {
		if errors.Is(err, context.DeadlineExceeded) && errors.Is(err, cell.ErrDeadlineExceeded) {
			fmt.Println("late")
		} else {
			fmt.Println(err)
		}
	}
	// Nobody waits any more once either is closed, and nothing begins.
	ended := make(chan error)
	go func() {
		_, err := conn.Add(2, 3)
		ended <- err
	}()
	_ = quic.Close()
	if err := <-ended; errors.Is(err, cell.ErrUnavailable) {
		fmt.Println("closed")
	}
	_ = conn.Close()
	if _, err := conn.Add(2, 3); errors.Is(err, cell.ErrUnavailable) {
		fmt.Println("closed")
	}
}

// restarted has calls in flight while a process of the service dies and another one takes its place.
func restarted() {
	conn, quic := must()
	defer func() { _ = quic.Close() }()
	conn = conn.WithTimeout(time.Minute)
	counting, items := make(chan struct{}), make(chan error)
	go func() {
		first := true
		for _, err := range conn.Forever() {
			if err != nil {
				items <- err
				return
			}
			if first {
				first = false
				close(counting)
			}
		}
	}()
	<-counting
	slow := make(chan error)
	go func() {
		_, err := conn.Slow(60_000)
		slow <- err
	}()
	if _, err := conn.UntilServed(1); err != nil {
		log.Fatal(err)
	}
	fmt.Println("in flight")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		log.Fatal(err)
	}
	fmt.Println("slow:", <-slow)
	fmt.Println("items:", <-items)
	generation, err := conn.Generation()
	fmt.Println("generation", generation, err)
}
