//go:build unix

package proxy

import (
	"errors"
	"os"
)

// syncDir has the names in a directory outlast a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
