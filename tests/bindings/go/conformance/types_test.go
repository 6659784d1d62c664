package conformance

import (
	"fmt"
	"strconv"
	"strings"
)

// ty is a type expression of a snapshot, with its parameters filled in.
type ty struct {
	name string // of a type, or "(" or "["
	args []*ty
	n    int // of an array
}

// schema is what the test needs of a snapshot.
type schema struct {
	Types []struct {
		Name     string
		Kind     string
		Shape    string
		Fields   []field
		Variants []struct {
			Name   string
			Shape  string
			Fields []field
		}
	}
	Routes []struct {
		Name string
		Res  string
	}
}

type field struct {
	Name string
	Ty   string
}

type parser struct {
	rest string
	env  []*ty
}

// parse reads an expression; env stands for $0, $1, ….
func parse(text string, env []*ty) *ty {
	p := parser{text, env}
	t := p.ty()
	if p.rest != "" {
		panic("behind a type: " + p.rest)
	}
	return t
}

func (p *parser) eat(token string) bool {
	rest, found := strings.CutPrefix(p.rest, token)
	p.rest = rest
	return found
}

func (p *parser) word() string {
	end := strings.IndexAny(p.rest, "<>,;()[]")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	return word
}

func (p *parser) number() int {
	n, err := strconv.Atoi(p.word())
	if err != nil {
		panic(err)
	}
	return n
}

func (p *parser) ty() *ty {
	switch {
	case p.eat("("):
		t := &ty{name: "("}
		for !p.eat(")") {
			t.args = append(t.args, p.ty())
			p.eat(",")
		}
		return t
	case p.eat("["):
		item := p.ty()
		p.eat(";")
		t := &ty{name: "[", args: []*ty{item}, n: p.number()}
		p.eat("]")
		return t
	case p.eat("$"):
		return p.env[p.number()]
	}
	t := &ty{name: p.word()}
	if p.eat("<") {
		for !p.eat(">") {
			t.args = append(t.args, p.ty())
			p.eat(",")
		}
	}
	return t
}

func (t *ty) String() string {
	return fmt.Sprintf("%s%v", t.name, t.args)
}
