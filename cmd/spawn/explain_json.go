package main

import (
	"io"
	"runtime"
	"strconv"
	"strings"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
)

// explanation prints the start of a program, step by step.
func (o *options) explanation(w io.Writer, s *spawn.Spec, steps []spawn.Step) error {
	if o.explain == asText {
		return explain(w, steps)
	}
	e := explanationOf(s, steps, &o.from)
	for i := range e.Steps {
		if o.exec {
			e.Steps[i].By = "spawn"
		}
	}
	_, err := w.Write(jsonLine(e))
	return err
}

// explanation is --explain=json.
type explanation struct {
	Program    string             `json:"program"`
	Args       []string           `json:"args"`
	System     string             `json:"system"`
	Clone      *cloneExplained    `json:"clone,omitempty"` // nil where package os makes the child, and with --exec
	Maps       []mapExplained     `json:"maps,omitempty"`
	Attributes []attrExplained    `json:"attributes"`
	Features   []featureExplained `json:"features"`
	Steps      []stepExplained    `json:"steps"`
}

// cloneExplained is the call that makes the child.
type cloneExplained struct {
	Call   string   `json:"call"`
	Flags  []string `json:"flags"`
	Cgroup string   `json:"cgroup,omitempty"` // the directory that the child is made in
}

// mapExplained is a map of ids of a user namespace.
type mapExplained struct {
	File   string `json:"file"` // uid_map, gid_map or setgroups
	Text   string `json:"text"`
	Helper string `json:"helper,omitempty"` // newuidmap(1) and the like, where it writes the map
}

// attrExplained is an attribute, with what it needs.
type attrExplained struct {
	Index int      `json:"index"` // that of the steps
	Name  string   `json:"name"`
	Flags []string `json:"flags"` // those of the command line
	Needs []need   `json:"needs,omitempty"`

	Optional bool `json:"optional,omitempty"` // by --optional
}

// featureExplained is what this kernel gives of what the start uses.
type featureExplained struct {
	Name      string `json:"name"`
	Available bool   `json:"available"`
	Linux     string `json:"linux,omitempty"`
	Version   int    `json:"version,omitempty"`
	Use       string `json:"use"`
}

// stepExplained is a system call.
type stepExplained struct {
	Part     string         `json:"part"`
	Index    *int           `json:"index,omitempty"` // within the part
	Step     string         `json:"step"`
	Object   string         `json:"object,omitempty"`
	By       string         `json:"by"` // parent or child; with --exec spawn
	Call     string         `json:"call"`
	Number   int            `json:"number"`
	Args     []argExplained `json:"args"`
	Optional bool           `json:"optional,omitempty"`
	Repeated bool           `json:"repeated,omitempty"`
	MayFail  bool           `json:"may_fail,omitempty"` // the program then runs without the attribute
	Note     string         `json:"note,omitempty"`
}

type argExplained struct {
	Text  string  `json:"text"`
	Value *uint64 `json:"value,omitempty"` // where it is known before the start
}

func explanationOf(s *spawn.Spec, steps []spawn.Step, from *origin) *explanation {
	e := &explanation{Program: s.Path, Args: s.Args, System: runtime.GOOS + "/" + runtime.GOARCH}
	for i, a := range s.Attr {
		e.Attributes = append(e.Attributes, explainedAttr(i, a, from))
	}
	for _, f := range spawn.Features() {
		e.Features = append(e.Features, featureExplained{string(f.Name), f.Available, f.Since, f.Version, f.Use})
	}
	for i := range steps {
		e.Steps = append(e.Steps, explainedStep(&steps[i]))
		e.note(&steps[i])
	}
	return e
}

// note takes what a step says of the clone and of the maps.
func (e *explanation) note(s *spawn.Step) {
	switch s.Name {
	case spawn.StepClone:
		if len(s.Args) == 0 {
			return // package os tells nothing
		}
		e.Clone = &cloneExplained{Call: s.Syscall, Flags: cloneFlags(s)}
		_, after, _ := strings.Cut(s.Note, ", in cgroup ")
		quoted, _ := strconv.QuotedPrefix(after)
		e.Clone.Cgroup = unquoted(quoted)
	case spawn.StepUIDMap, spawn.StepGIDMap, spawn.StepSetgroups:
		if !s.Parent || len(s.Args) < 2 {
			return
		}
		m := mapExplained{File: s.Name, Text: unquoted(s.Args[1].Text)}
		if s.Syscall == "execve" {
			m.Helper, m.Text = unquoted(s.Args[0].Text), s.Args[1].Text
		}
		e.Maps = append(e.Maps, m)
	}
}

func unquoted(s string) string {
	if text, err := strconv.Unquote(s); err == nil {
		return text
	}
	return s
}

// cloneFlags are those of clone and of clone3.
func cloneFlags(s *spawn.Step) []string {
	text := s.Args[0].Text
	if _, after, ok := strings.Cut(text, "flags="); ok {
		text, _, _ = strings.Cut(strings.TrimSuffix(after, "}"), ",")
	}
	return strings.Split(text, "|")
}

func explainedAttr(index int, a attr.Attr, from *origin) attrExplained {
	name := attrName(a)
	_, optional := attrlist.Optional(a)
	return attrExplained{index, name, from.givenFor(name), needs[name], optional}
}

func explainedStep(s *spawn.Step) stepExplained {
	e := stepExplained{
		Part: s.Part.String(), Step: s.Name, Object: s.Object, By: "child", Call: s.Syscall, Number: s.Number,
		Args: []argExplained{}, Optional: s.Optional, Repeated: s.Repeated, MayFail: s.MayFail, Note: s.Note,
	}
	if s.Parent {
		e.By = "parent"
	}
	if s.Index >= 0 && s.Part != spawn.PartStart && s.Part != spawn.PartSpec {
		e.Index = &s.Index
	}
	for _, a := range s.Args {
		arg := argExplained{Text: a.Text}
		if a.Known {
			arg.Value = &a.Value
		}
		e.Args = append(e.Args, arg)
	}
	return e
}
