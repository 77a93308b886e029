package main

import (
	"errors"
	"flag"
	"io"
	"log/slog"
	"strings"

	"keytree/httpapi/doctor"
)

// examined is a config that was read to the end, whatever is wrong with it.
type examined struct {
	*config
	faults []error // as a start would tell them, one by one
	usage  bool    // one of them is that flags cannot be read
	asJSON bool    // of the flags of doctor itself
}

// examine reads the settings as readConfig does, and goes on where that ends.
func examine(args, environ []string) *examined {
	e := &examined{config: defaults()}
	r := newReading(e.config)
	r.collect = func(err error) { e.faults = append(e.faults, err) }
	e.readArguments(r, args)
	if e.help || e.version {
		return e
	}
	_ = r.readOthers(environ) // it collects
	e.advise()
	return e
}

// readArguments goes on behind what is no flag, has no value or a wrong one.
func (e *examined) readArguments(r *reading, args []string) {
	fs := flag.NewFlagSet("keytree doctor", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&e.asJSON, "json", false, "")
	byName := map[string]setting{}
	for _, s := range r.settings {
		fs.Var(s.value, s.name, s.usage)
		byName[s.name] = s
	}
	for len(args) > 0 {
		err := fs.Parse(args)
		rest := fs.Args()
		switch {
		case err != nil:
			e.usage = true
			mend, unknown := "", ""
			if unknown, _ = strings.CutPrefix(err.Error(), "flag provided but not defined: -"); unknown != err.Error() {
				if like := r.closest(unknown); like != "" {
					mend = "--" + like
				}
				if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
					rest = rest[1:] // its value, most likely
				}
			}
			e.faults = append(e.faults, mended{err, mend})
		case len(rest) > 0:
			e.faults = append(e.faults, verification("'%s' is not a valid flag", rest[0]))
		}
		if len(rest) > 0 && (err == nil || strings.HasPrefix(err.Error(), "bad flag syntax")) {
			rest = rest[1:] // it was told of, and is still there
		}
		args = rest
	}
	fs.Visit(func(f *flag.Flag) {
		if s, ours := byName[f.Name]; ours {
			r.set(s, f.Value.String(), byArguments)
		}
	})
}

// findings are what reading the settings has to say.
func (e *examined) findings() (all []doctor.Finding) {
	add := func(s doctor.State, text, mend string) {
		f := doctor.Finding{Area: "settings", State: s, Text: text}
		if mend != "" {
			f.Mend = []string{mend}
		}
		all = append(all, f)
	}
	for _, err := range e.faults {
		var m mended
		errors.As(err, &m)
		text := strings.TrimPrefix(err.Error(), verificationBegins)
		add(doctor.Wrong, strings.TrimSuffix(text, verificationEnds), m.mend)
	}
	for _, n := range e.notices {
		if n.level > slog.LevelInfo {
			add(doctor.Warning, n.text, n.mend)
		}
	}
	if len(all) == 0 {
		add(doctor.OK, e.sources(), "")
	}
	return all
}

// sources says where the settings come from.
func (e *examined) sources() string {
	n := 0
	for name, given := range e.given {
		if given && name != "config-file" {
			n++
		}
	}
	switch {
	case n == 0:
		return "all have their defaults"
	case e.configFile != "":
		return plural(n, "setting") + ", also from " + e.configFile
	}
	return plural(n, "setting") + " differ from the defaults"
}
