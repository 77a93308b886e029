package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// file is one in an archive.
type file struct {
	name    string // with slashes
	text    []byte
	program bool // it can be run
}

func (f file) mode() fs.FileMode {
	if f.program {
		return 0o755
	}
	return 0o644
}

// then is when all files in archives were made: when they really were is of no
// use, and would make each archive another one. It is the first moment that zip
// knows.
func then() time.Time { return time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC) }

// inOrder are files with nothing left to chance.
func inOrder(files []file) []file {
	return slices.SortedFunc(slices.Values(files), func(a, b file) int { return strings.Compare(a.name, b.name) })
}

// writeTar writes files, in one folder, as a tar.gz.
func writeTar(w io.Writer, folder string, files []file) error {
	compressed, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(compressed)
	for _, f := range inOrder(files) {
		head := &tar.Header{
			Typeflag: tar.TypeReg,
			Name:     folder + "/" + f.name,
			Mode:     int64(f.mode()),
			Size:     int64(len(f.text)),
			ModTime:  then(),
			Uname:    "root",
			Gname:    "root",
			Format:   tar.FormatUSTAR,
		}
		if err := t.WriteHeader(head); err != nil {
			return err
		}
		if _, err := t.Write(f.text); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

// writeZip writes files, in one folder, as a zip.
func writeZip(w io.Writer, folder string, files []file) error {
	z := zip.NewWriter(w)
	for _, f := range inOrder(files) {
		head := &zip.FileHeader{Name: folder + "/" + f.name, Method: zip.Deflate, Modified: then()}
		head.SetMode(f.mode())
		one, err := z.CreateHeader(head)
		if err != nil {
			return err
		}
		if _, err := one.Write(f.text); err != nil {
			return err
		}
	}
	return z.Close()
}
