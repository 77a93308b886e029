package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"keytree/httpapi/client"
)

// Formats of an answer.
const (
	simple   = "simple"
	extended = "extended"
	inJSON   = "json"
)

// print shows an answer in the format the user wants. That there is no such
// format is told, and is no error: what was asked for is done.
func (c *call) print(r *client.Response) error {
	format, known := c.formats()[c.String("output")]
	if !known {
		return c.unknownFormat()
	}
	text, err := format(r)
	if err == nil {
		_, err = io.WriteString(c.stdout, text)
	}
	return err
}

// formats are the ways to show an answer.
func (c *call) formats() map[string]func(*client.Response) (string, error) {
	return map[string]func(*client.Response) (string, error){
		simple:   inSimple,
		extended: inExtended,
		inJSON:   inOneLine,
		asTable:  inTable,
	}
}

func (c *call) unknownFormat() error {
	fmt.Fprintf(c.stderr, "Unsupported output format: %s\n", c.String("output"))
	return nil
}

// wantsSimple reports whether the user wants the format for people.
func (c *call) wantsSimple() bool { return c.String("output") == simple }

// inSimple is the value; of what was deleted the one it had.
func inSimple(r *client.Response) (string, error) {
	if r.Action == "delete" {
		return "PrevNode.Value: " + formerValue(r) + "\n", nil
	}
	return r.Node.Value + "\n", nil
}

// inExtended is the value below what is known of the key.
func inExtended(r *client.Response) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "Key: %s\n", r.Node.Key)
	fmt.Fprintf(&b, "Created-Index: %d\n", r.Node.CreatedIndex)
	fmt.Fprintf(&b, "Modified-Index: %d\n", r.Node.ModifiedIndex)
	if r.PrevNode != nil {
		fmt.Fprintf(&b, "PrevNode.Value: %s\n", r.PrevNode.Value)
	}
	fmt.Fprintf(&b, "TTL: %d\n", r.Node.TTL)
	fmt.Fprintf(&b, "Index: %d\n", r.Index)
	if r.Action != "delete" {
		fmt.Fprintf(&b, "\n%s\n", r.Node.Value)
	}
	return b.String(), nil
}

// inOneLine is the answer in JSON.
func inOneLine(r *client.Response) (string, error) {
	text, err := json.Marshal(r)
	return string(text) + "\n", err
}

func formerValue(r *client.Response) string {
	if r.PrevNode == nil {
		return ""
	}
	return r.PrevNode.Value
}
