package slip39

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// encrypt and decrypt are the standard's Feistel network of four rounds, with
// PBKDF2 as the round function. Under any passphrase a ciphertext decrypts to
// something.
func encrypt(secret []byte, set set, passphrase []byte) ([]byte, error) {
	return feistel(secret, set, passphrase, []byte{0, 1, 2, 3})
}

func decrypt(secret []byte, set set, passphrase []byte) ([]byte, error) {
	return feistel(secret, set, passphrase, []byte{3, 2, 1, 0})
}

func feistel(in []byte, set set, passphrase, rounds []byte) ([]byte, error) {
	var salt []byte
	if !set.extendable {
		salt = binary.BigEndian.AppendUint16([]byte("shamir"), set.id)
	}
	half := len(in) / 2
	left, right := slices.Clone(in[:half]), slices.Clone(in[half:])
	for _, round := range rounds {
		password := append([]byte{round}, passphrase...)
		key, err := pbkdf2.Key(sha256.New, string(password), append(slices.Clone(salt), right...), 2500<<set.exponent, half)
		clear(password)
		if err != nil {
			return nil, err
		}
		for i := range key {
			key[i] ^= left[i]
		}
		clear(left)
		left, right = right, key
	}
	out := append(slices.Clone(right), left...)
	clear(left)
	clear(right)
	return out, nil
}

// digestLen is how many bytes of a polynomial's value at digestX prove that
// the value at secretX is right.
const digestLen = 4

func digest(random, secret []byte) []byte {
	mac := hmac.New(sha256.New, random)
	mac.Write(secret)
	return mac.Sum(nil)[:digestLen]
}
