//go:build !unix

package harden

import "errors"

func noDumps() error { return errors.ErrUnsupported }

func lockMemory() error { return errors.ErrUnsupported }

// swaps says yes: nobody looked.
func swaps() bool { return true }
