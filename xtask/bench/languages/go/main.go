// Command bench measures calls of the generated Go client. Each line on standard input asks for a part: "lone 2000" for calls one
// after another, answered with the percentiles 50, 90 and 99 in nanoseconds, or "crowd 20000" for 64 in flight, answered with calls a
// second. With the argument "plain" it sends 64 bytes there and back without a protocol: the floor of Go's own sockets.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"bench/gen/echo"
)

const inFlight = 64

func main() {
	one, many := generated()
	if len(os.Args) > 1 && os.Args[1] == "plain" {
		one, many = plain()
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var part string
		var count int
		if _, err := fmt.Sscan(lines.Text(), &part, &count); err != nil {
			fail(err)
		}
		if part == "lone" {
			lone(one, count)
		} else {
			many(count)
		}
	}
}

func generated() (one func(number uint64), many func(count int)) {
	conn, err := echo.Connect(os.Getenv("CELL_RUN") + "/echo.sock")
	if err != nil {
		fail(err)
	}
	one = func(number uint64) { call(conn, number) }
	return one, func(count int) { crowd(conn, count) }
}

// plain has no calls in flight: it answers 0 for them.
func plain() (one func(number uint64), many func(count int)) {
	conn, err := net.Dial("unix", os.Getenv("CELL_RUN")+"/plain.sock")
	if err != nil {
		fail(err)
	}
	message := make([]byte, 64)
	one = func(uint64) {
		if _, err := conn.Write(message); err != nil {
			fail(err)
		}
		if _, err := io.ReadFull(conn, message); err != nil {
			fail(err)
		}
	}
	return one, func(int) { fmt.Println(0) }
}

func lone(one func(number uint64), count int) {
	took := make([]time.Duration, count)
	for n := range took {
		started := time.Now()
		one(uint64(n))
		took[n] = time.Since(started)
	}
	slices.Sort(took)
	at := func(percent int) int64 { return took[count*percent/100].Nanoseconds() }
	fmt.Println(at(50), at(90), at(99))
}

func crowd(conn *echo.Conn, count int) {
	share := count / inFlight
	started := time.Now()
	var tasks sync.WaitGroup
	for task := 0; task < inFlight; task++ {
		task := task
		tasks.Add(1)
		go func() {
			defer tasks.Done()
			for n := 0; n < share; n++ {
				call(conn, uint64(task*share+n))
			}
		}()
	}
	tasks.Wait()
	fmt.Println(int64(float64(share*inFlight) / time.Since(started).Seconds()))
}

func call(conn *echo.Conn, number uint64) {
	var words [8]uint64
	for word := range words {
		words[word] = number * uint64(word+1)
	}
	message := echo.Message{Words: words}
	answer, err := conn.Echo(message)
	if err == nil && answer != message {
		err = fmt.Errorf("the echo differs: %v", answer)
	}
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
