// Command main calls the cell 250 times a second until it is told to stop, and prints how each call went.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"example.com/app/clients/button"
)

type report struct {
	Marks     []int    `json:"marks"`
	Latencies []int64  `json:"latencies_us"`
	Wrong     []string `json:"wrong"`
}

func main() {
	caller, err := strconv.ParseUint(os.Args[1], 10, 32)
	if err != nil {
		panic(err)
	}
	lines := make(chan string)
	go func() {
		said := bufio.NewScanner(os.Stdin)
		for said.Scan() {
			lines <- said.Text()
		}
		close(lines)
	}()
	var lock sync.Mutex
	var running sync.WaitGroup
	all := report{Marks: []int{}, Latencies: []int64{}, Wrong: []string{}}
	one := func(number int) {
		defer running.Done()
		begun := time.Now()
		got, err := button.Work(uint32(caller), uint64(number), 0)
		took := time.Since(begun).Microseconds()
		lock.Lock()
		defer lock.Unlock()
		if err == nil && got == uint64(number) {
			all.Latencies[number] = took
		} else {
			all.Wrong = append(all.Wrong, fmt.Sprintf("%d: %d %v", number, got, err))
		}
	}
	tick := time.NewTicker(4 * time.Millisecond)
	for {
		select {
		case line := <-lines:
			lock.Lock()
			all.Marks = append(all.Marks, len(all.Latencies))
			lock.Unlock()
			if line == "mark" {
				continue
			}
			running.Wait()
			if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
				panic(err)
			}
			return
		case <-tick.C:
			lock.Lock()
			number := len(all.Latencies)
			all.Latencies = append(all.Latencies, -1)
			lock.Unlock()
			running.Add(1)
			go one(number)
		}
	}
}
