package conformance

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/rand"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"testing"

	"example.com/app/cells/cell"
)

type value struct {
	Route string
	Name  string
	Value json.RawMessage
	Bytes string
}

func load[T any](t *testing.T, name string) (into T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return into
}

func values(t *testing.T) []value {
	t.Helper()
	return load[struct{ Values []value }](t, "values.json").Values
}

func codecs() map[string]*cell.Codec {
	codecs := make(map[string]*cell.Codec)
	for i := range routes {
		codecs[routes[i].Name] = &routes[i]
	}
	return codecs
}

func TestValuesAreThoseOfRust(t *testing.T) {
	schema := load[schema](t, "snapshot.json")
	results := make(map[string]*ty)
	for _, route := range schema.Routes {
		results[route.Name] = parse(route.Res, nil)
	}
	codecs := codecs()
	same, unfit := 0, 0
	for _, value := range values(t) {
		name := value.Route + " " + value.Name
		archive, err := hex.DecodeString(value.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		codec := codecs[value.Route]
		decoded, err := codec.DecodeResponse(archive)
		if err != nil {
			if !hasLongDuration(value.Value) {
				t.Errorf("%s: %v", name, err)
			}
			unfit++
			continue
		}
		wanted := json.NewDecoder(bytes.NewReader(value.Value))
		wanted.UseNumber()
		var expected any
		if err := wanted.Decode(&expected); err != nil {
			t.Fatal(err)
		}
		if decoded != nil {
			got := reflect.New(reflect.TypeOf(decoded)).Elem()
			got.Set(reflect.ValueOf(decoded))
			if isInterface(results[value.Route], schema) {
				// Where the result is an interface, reflection is to see one too.
				held := reflect.New(reflect.TypeOf((*any)(nil)).Elem()).Elem()
				held.Set(got)
				got = held
			}
			if err := schema.compare(results[value.Route], expected, got); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			encoded, err := codec.EncodeRequest(decoded)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if !bytes.Equal(encoded, archive) {
				t.Errorf("%s:\n%x is encoded instead of\n%x", name, encoded, archive)
			}
		}
		same++
	}
	t.Logf("%d values are the same, %d hold durations that Go has no form for", same, unfit)
	if same == 0 {
		t.Error("there are no values")
	}
}

func isInterface(of *ty, s schema) bool {
	for of.name == "Box" {
		of = of.args[0]
	}
	if of.name == "Option" {
		of = of.args[0]
		for of.name == "Box" {
			of = of.args[0]
		}
	}
	for _, def := range s.Types {
		if def.Name == of.name && def.Kind == "enum" {
			for _, variant := range def.Variants {
				if len(variant.Fields) > 0 {
					return true
				}
			}
		}
	}
	return false
}

var seconds = regexp.MustCompile(`"secs":\s*"?(\d+)`)

// hasLongDuration reports whether a value holds a duration of more than 292 years.
func hasLongDuration(value []byte) bool {
	for _, match := range seconds.FindAllSubmatch(value, -1) {
		if secs, err := strconv.ParseUint(string(match[1]), 10, 64); err != nil || secs > 9223372036 {
			return true
		}
	}
	return false
}

// try decodes what may be anything: a value, which can be encoded, or an error.
func try(t *testing.T, codec *cell.Codec, archive []byte) {
	t.Helper()
	defer func() {
		if broken := recover(); broken != nil {
			t.Fatalf("%s panics for %x: %v", codec.Name, archive, broken)
		}
	}()
	if decoded, err := codec.DecodeResponse(archive); err == nil && decoded != nil {
		if _, err := codec.EncodeRequest(decoded); err != nil {
			t.Fatalf("%s: %x is a value that cannot be encoded: %v", codec.Name, archive, err)
		}
	}
}

func TestDamagedArchivesAreValuesOrErrors(t *testing.T) {
	codecs := codecs()
	random := rand.New(rand.NewSource(1))
	tried := 0
	for _, value := range values(t) {
		archive, err := hex.DecodeString(value.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		codec := codecs[value.Route]
		for end := range archive {
			// Its end is what counts, and both ends are cut.
			try(t, codec, archive[:end:end])
			try(t, codec, archive[end+1:])
			tried += 2
		}
		flips := min(len(archive)*8, 1<<10)
		for flip := 0; flip < flips; flip++ {
			bit := flip
			if flips < len(archive)*8 {
				bit = random.Intn(len(archive) * 8)
			}
			damaged := bytes.Clone(archive)
			damaged[bit/8] ^= 1 << (bit % 8)
			try(t, codec, damaged)
			tried++
		}
	}
	t.Logf("%d damaged archives", tried)
}

func TestRandomBytesAreValuesOrErrors(t *testing.T) {
	random := rand.New(rand.NewSource(2))
	for i := range routes {
		for round := 0; round < 500; round++ {
			archive := make([]byte, random.Intn(200))
			random.Read(archive)
			if round%2 == 0 {
				// Small numbers are offsets, lengths and tags that lead somewhere.
				for at := range archive {
					if random.Intn(3) > 0 {
						archive[at] = 0
					}
				}
			}
			try(t, &routes[i], archive)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(uint16(0), []byte{})
	f.Fuzz(func(t *testing.T, route uint16, archive []byte) {
		try(t, &routes[int(route)%len(routes)], archive)
	})
}
