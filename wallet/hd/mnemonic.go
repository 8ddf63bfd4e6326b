package hd

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tyler-smith/go-bip39"
)

// ErrChecksum says that every word of a mnemonic is in the list but the words
// do not belong together.
var ErrChecksum = errors.New("mnemonic: the checksum is wrong: a word is mistaken, missing or out of place")

// NewMnemonic makes a mnemonic of 24 English words from 256 random bits.
func NewMnemonic() ([]byte, error) {
	entropy, err := bip39.NewEntropy(256)
	if err != nil {
		return nil, fmt.Errorf("mnemonic: %w", err)
	}
	defer clear(entropy)
	return Mnemonic(entropy)
}

// Mnemonic writes 16, 20, 24, 28 or 32 bytes of entropy as 12 to 24 English
// words with one space between them (BIP-39).
func Mnemonic(entropy []byte) ([]byte, error) {
	words, err := bip39.NewMnemonic(entropy)
	if err != nil {
		return nil, fmt.Errorf("mnemonic: entropy of %d bytes: want 16, 20, 24, 28 or 32", len(entropy))
	}
	return []byte(words), nil
}

// Entropy reads a mnemonic of 12, 15, 18, 21 or 24 English words, in any case
// and with any white space between them, and checks its checksum (BIP-39).
// Its errors name positions, never words.
func Entropy(mnemonic []byte) ([]byte, error) {
	words := bytes.Fields(bytes.ToLower(mnemonic))
	if n := len(words); n < 12 || n > 24 || n%3 != 0 {
		return nil, fmt.Errorf("mnemonic: %d words, want 12, 15, 18, 21 or 24", n)
	}
	for i, word := range words {
		if _, ok := bip39.GetWordIndex(string(word)); !ok {
			return nil, fmt.Errorf("mnemonic: word %d is not in the English list of BIP-39", i+1)
		}
	}
	// The library's own errors quote words, so they are not passed on.
	entropy, err := bip39.EntropyFromMnemonic(string(bytes.Join(words, []byte(" "))))
	if err != nil {
		return nil, ErrChecksum
	}
	return entropy, nil
}

// Seed is the 64-byte BIP-39 seed of a mnemonic in the form that [Mnemonic]
// writes: PBKDF2 with HMAC-SHA512, 2048 rounds. The vault uses no BIP-39
// passphrase.
func Seed(mnemonic []byte, passphrase string) []byte {
	return bip39.NewSeed(string(mnemonic), passphrase)
}
