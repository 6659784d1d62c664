package conformance

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// compare fails where a decoded value is not what the JSON says. inexact: the payload of a NaN is not in the JSON.
func (s *schema) compare(t *ty, wanted any, got reflect.Value) error {
	differs := func() error {
		return fmt.Errorf("%v: %#v instead of %v", t, got, wanted)
	}
	check := func(same bool) error {
		if same {
			return nil
		}
		return differs()
	}
	switch t.name {
	case "bool":
		return check(got.Bool() == wanted.(bool))
	case "char":
		return check(string(rune(got.Int())) == wanted.(string))
	case "String":
		return check(got.String() == wanted.(string))
	case "u8", "u16", "u32", "u64":
		return check(strconv.FormatUint(got.Uint(), 10) == digits(wanted))
	case "i8", "i16", "i32", "i64":
		return check(strconv.FormatInt(got.Int(), 10) == digits(wanted))
	case "u128", "i128":
		return check(fmt.Sprint(got.Interface()) == digits(wanted))
	case "f32", "f64":
		return check(sameFloat(t.name, wanted, got.Float()))
	case "Duration":
		parts := wanted.(map[string]any)
		d := time.Duration(got.Int())
		return check(fmt.Sprint(int64(d/time.Second)) == digits(parts["secs"]) && fmt.Sprint(int64(d%time.Second)) == digits(parts["nanos"]))
	case "Box":
		if got.Kind() == reflect.Pointer && t.args[0].name != "Option" {
			got = got.Elem()
		}
		return s.compare(t.args[0], wanted, got)
	case "Vec", "[":
		return s.compareAll(wanted, got.Len(), func(i int, item any) error {
			return s.compare(t.args[0], item, got.Index(i))
		})
	case "Set":
		if got.Kind() == reflect.Slice {
			return s.compare(&ty{name: "Vec", args: t.args}, wanted, got)
		}
		return s.compareAll(wanted, got.Len(), func(_ int, item any) error {
			return s.find(t.args[0], item, got.MapKeys())
		})
	case "Map":
		return s.compareMap(t, wanted, got)
	case "(":
		if len(t.args) == 0 {
			return check(wanted == nil)
		}
		return s.compareAll(wanted, got.NumField(), func(i int, item any) error {
			return s.compare(t.args[i], item, got.Field(i))
		})
	case "Option":
		return s.compareOption(t, wanted, got)
	case "Result":
		both := wanted.(map[string]any)
		if ok, is := both["Ok"]; is {
			return s.compare(t.args[0], ok, got.FieldByName("Ok").Elem())
		}
		return s.compare(t.args[1], both["Err"], got.FieldByName("Err").Elem())
	}
	return s.compareNamed(t, wanted, got)
}

func (s *schema) compareAll(wanted any, n int, each func(i int, item any) error) error {
	items := wanted.([]any)
	if len(items) != n {
		return fmt.Errorf("%d items instead of %d", n, len(items))
	}
	for i, item := range items {
		if err := each(i, item); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

// find looks for a key of a map of Go.
func (s *schema) find(t *ty, wanted any, keys []reflect.Value) error {
	for _, key := range keys {
		if s.compare(t, wanted, key) == nil {
			return nil
		}
	}
	return fmt.Errorf("no %v", wanted)
}

func (s *schema) compareMap(t *ty, wanted any, got reflect.Value) error {
	if object, is := wanted.(map[string]any); is {
		if len(object) != got.Len() {
			return fmt.Errorf("%d entries instead of %d", got.Len(), len(object))
		}
		for key, value := range object {
			found := entry(got, key)
			if !found.IsValid() {
				return fmt.Errorf("no key %q", key)
			}
			if err := s.compare(t.args[1], value, found); err != nil {
				return fmt.Errorf("[%q]: %w", key, err)
			}
		}
		return nil
	}
	return s.compareAll(wanted, got.Len(), func(i int, item any) error {
		pair := item.([]any)
		if got.Kind() == reflect.Slice {
			if err := s.compare(t.args[0], pair[0], got.Index(i).FieldByName("Key")); err != nil {
				return err
			}
			return s.compare(t.args[1], pair[1], got.Index(i).FieldByName("Value"))
		}
		for _, key := range got.MapKeys() {
			if s.compare(t.args[0], pair[0], key) == nil {
				return s.compare(t.args[1], pair[1], got.MapIndex(key))
			}
		}
		return fmt.Errorf("no key %v", pair[0])
	})
}

// entry is the value of a key; a generic type holds a slice whatever its keys are.
func entry(of reflect.Value, key string) reflect.Value {
	if of.Kind() == reflect.Map {
		return of.MapIndex(reflect.ValueOf(key))
	}
	for i := 0; i < of.Len(); i++ {
		if of.Index(i).FieldByName("Key").String() == key {
			return of.Index(i).FieldByName("Value")
		}
	}
	return reflect.Value{}
}

func (s *schema) compareOption(t *ty, wanted any, got reflect.Value) error {
	if wanted == nil {
		if !got.IsNil() {
			return fmt.Errorf("%v: %v instead of nothing", t, got)
		}
		return nil
	}
	if got.IsNil() {
		return fmt.Errorf("%v: nothing instead of %v", t, wanted)
	}
	if s.mayBeNull(t.args[0]) {
		wanted = wanted.(map[string]any)["Some"]
	}
	if got.Kind() == reflect.Pointer {
		got = got.Elem()
	}
	return s.compare(t.args[0], wanted, got)
}

// mayBeNull is the rule of docs/schema.md for {"Some": …}.
func (s *schema) mayBeNull(t *ty) bool {
	switch t.name {
	case "Option":
		return true
	case "(":
		return len(t.args) == 0
	case "Box":
		return s.mayBeNull(t.args[0])
	}
	for _, def := range s.Types {
		if def.Name == t.name && def.Kind == "struct" {
			if def.Shape == "tuple" && len(def.Fields) == 1 {
				return s.mayBeNull(parse(def.Fields[0].Ty, t.args))
			}
			return def.Shape == "unit"
		}
	}
	return false
}

func (s *schema) compareNamed(t *ty, wanted any, got reflect.Value) error {
	for _, def := range s.Types {
		if def.Name != t.name {
			continue
		}
		if def.Kind == "struct" {
			return s.compareFields(def.Shape, def.Fields, t, wanted, got)
		}
		name, content := "", any(nil)
		switch wanted := wanted.(type) {
		case string:
			name = wanted
		case map[string]any:
			for name, content = range wanted {
			}
		}
		for tag, variant := range def.Variants {
			if variant.Name != name {
				continue
			}
			if got.Kind() == reflect.Uint8 {
				if got.Uint() != uint64(tag) || fmt.Sprint(got.Interface()) != name {
					return fmt.Errorf("%v instead of %s", got, name)
				}
				return nil
			}
			held := got.Elem()
			own, _, _ := strings.Cut(held.Type().Name(), "[")
			if !strings.EqualFold(own, strings.ReplaceAll(def.Name+variant.Name, "_", "")) {
				return fmt.Errorf("%s instead of %s", own, name)
			}
			return s.compareFields(variant.Shape, variant.Fields, t, content, held)
		}
		return fmt.Errorf("no variant %q", name)
	}
	return fmt.Errorf("no type %v", t)
}

func (s *schema) compareFields(shape string, fields []field, t *ty, wanted any, got reflect.Value) error {
	if got.NumField() != len(fields) {
		return fmt.Errorf("%v has %d fields", t, got.NumField())
	}
	one := func(i int, item any) error {
		if err := s.compare(parse(fields[i].Ty, t.args), item, got.Field(i)); err != nil {
			return fmt.Errorf(".%s: %w", fields[i].Name, err)
		}
		return nil
	}
	switch {
	case shape == "unit":
		return nil
	case shape == "tuple" && len(fields) == 1:
		return one(0, wanted)
	case shape == "tuple":
		return s.compareAll(wanted, len(fields), one)
	}
	object, _ := wanted.(map[string]any)
	for i, field := range fields {
		if err := one(i, object[field.Name]); err != nil {
			return err
		}
	}
	return nil
}

// digits is an integer, which is a string where it is large.
func digits(wanted any) string {
	return fmt.Sprint(wanted)
}

func sameFloat(name string, wanted any, got float64) bool {
	switch wanted {
	case "NaN":
		return math.IsNaN(got)
	case "inf":
		return math.IsInf(got, 1)
	case "-inf":
		return math.IsInf(got, -1)
	}
	bits := 64
	if name == "f32" {
		bits = 32
	}
	number, err := strconv.ParseFloat(string(wanted.(json.Number)), bits)
	return err == nil && math.Float64bits(number) == math.Float64bits(got)
}
