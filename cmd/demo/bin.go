package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// absolute checks that both programs are there: commands run elsewhere.
func absolute(bin string) (string, error) {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return "", err
	}
	for _, program := range []string{"airlock", "airlock-signer"} {
		if _, err := os.Stat(filepath.Join(bin, program)); err != nil {
			return "", fmt.Errorf("%w: make build makes it", err)
		}
	}
	return bin, nil
}
