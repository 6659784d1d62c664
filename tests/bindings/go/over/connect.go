// What the scenarios call where the cell is on another machine: `CELL_AT` is its address.
package main

import (
	"log"
	"os"

	"example.com/app/cells/cell"
	"example.com/app/cells/cellquic"
	"example.com/app/cells/matrix"
)

func init() {
	quic, err := cellquic.New(cellquic.Keys{})
	if err != nil {
		log.Fatal(err)
	}
	connect = func() (*matrix.Conn, error) {
		return matrix.Connect(os.Getenv("CELL_AT"), cell.Over(quic))
	}
	if cells, err = connect(); err != nil {
		log.Fatal(err)
	}
}
