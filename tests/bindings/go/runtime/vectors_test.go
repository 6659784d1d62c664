package cell

import (
	"encoding/json"
	"math/big"
	"os"
	"testing"
)

func loadVectors(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("CELL_PROTOCOL"))
	if err != nil {
		t.Fatalf("CELL_PROTOCOL: %v", err)
	}
	var entries []struct{ Name, Hex string }
	if err := json.Unmarshal(text, &entries); err != nil {
		t.Fatal(err)
	}
	vectors := make(map[string]string)
	for _, entry := range entries {
		vectors[entry.Name] = entry.Hex
	}
	return vectors
}

func TestIntegersOf128Bits(t *testing.T) {
	for _, text := range []string{
		"0", "1", "-1", "18446744073709551616", "-18446744073709551616", "9223372036854775808", "-9223372036854775809",
		"170141183460469231731687303715884105727", "-170141183460469231731687303715884105728",
	} {
		number, _ := new(big.Int).SetString(text, 10)
		value, ok := Int128FromBig(number)
		if !ok || value.String() != text || value.Big().Cmp(number) != 0 {
			t.Errorf("%s: %v, %v", text, value, ok)
		}
		if unsigned, ok := Uint128FromBig(number); ok != (number.Sign() >= 0) || ok && unsigned.String() != text {
			t.Errorf("%s: %v, %v", text, unsigned, ok)
		}
	}
	for _, text := range []string{"170141183460469231731687303715884105728", "-170141183460469231731687303715884105729"} {
		number, _ := new(big.Int).SetString(text, 10)
		if value, ok := Int128FromBig(number); ok {
			t.Errorf("%s: %v", text, value)
		}
	}
	if Int128From(-1).Cmp(Int128From(0)) != -1 || Uint128From(2).Cmp(Uint128From(1)) != 1 {
		t.Error("numbers are in another order")
	}
}

func TestKeysAreInOrder(t *testing.T) {
	keys := Keys(map[Int128]bool{Int128From(3): true, Int128From(-3): true, Int128From(0): true})
	if len(keys) != 3 || keys[0] != Int128From(-3) || keys[2] != Int128From(3) {
		t.Errorf("%v", keys)
	}
	if flags := Keys(map[bool]int{true: 1, false: 0}); flags[0] || !flags[1] {
		t.Errorf("%v", flags)
	}
	if runes := Keys(map[rune]int{'b': 1, 'a': 0}); runes[0] != 'a' {
		t.Errorf("%v", runes)
	}
}
