package hd

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcutil/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg"
	"github.com/go-json-experiment/json"

	"github.com/airlock-wallet/airlock/wallet"
)

func load(t *testing.T, file string, into any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into, json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type bip32Vectors struct {
	Source string `json:"source"`
	Valid  []struct {
		Vector int    `json:"vector"`
		Seed   string `json:"seed"`
		Keys   []struct {
			Path string `json:"path"`
			Xpub string `json:"xpub"`
			Xprv string `json:"xprv"`
		} `json:"keys"`
	} `json:"valid"`
	Invalid []struct {
		Why string `json:"why"`
		Key string `json:"key"`
	} `json:"invalid"`
}

// The published vectors 1 to 4. Vectors 3 and 4 fail where leading zeros of
// a private key are lost.
func TestBIP32(t *testing.T) {
	var vectors bip32Vectors
	load(t, "bip32.json", &vectors)
	for _, v := range vectors.Valid {
		for _, want := range v.Keys {
			t.Run(strconv.Itoa(v.Vector)+" "+want.Path, func(t *testing.T) {
				root, err := hdkeychain.NewMaster(unhex(t, v.Seed), &chaincfg.MainNetParams)
				if err != nil {
					t.Fatal(err)
				}
				key, err := derive(root, childNumbers(t, want.Path)...)
				if err != nil {
					t.Fatal(err)
				}
				public, err := key.Neuter()
				if err != nil {
					t.Fatal(err)
				}
				if got := key.String(); got != want.Xprv {
					t.Errorf("private key %s, want %s", got, want.Xprv)
				}
				if got := public.String(); got != want.Xpub {
					t.Errorf("public key %s, want %s", got, want.Xpub)
				}
			})
		}
	}
}

func childNumbers(t *testing.T, path string) []uint32 {
	t.Helper()
	var numbers []uint32
	for _, level := range strings.Split(path, "/")[1:] {
		plain, isHardened := strings.CutSuffix(level, "'")
		n, err := strconv.ParseUint(plain, 10, 31)
		if err != nil {
			t.Fatal(err)
		}
		number := uint32(n)
		if isHardened {
			number += hardened
		}
		numbers = append(numbers, number)
	}
	return numbers
}

// Vector 5 lists keys that must be refused; that its keys are not at account
// level is not why: TestParseAccountKeyRefuses has the same faults there.
func TestBIP32Invalid(t *testing.T) {
	var vectors bip32Vectors
	load(t, "bip32.json", &vectors)
	for _, v := range vectors.Invalid {
		t.Run(v.Why, func(t *testing.T) {
			if _, err := ParseAccountKey(wallet.DepositRole, v.Key); err == nil {
				t.Error("accepted")
			} else if strings.Contains(err.Error(), v.Key[4:20]) {
				t.Errorf("error tells the key: %v", err)
			}
		})
	}
}

func TestBIP39(t *testing.T) {
	var vectors struct {
		Source     string `json:"source"`
		Passphrase string `json:"passphrase"`
		English    []struct {
			Entropy  string `json:"entropy"`
			Mnemonic string `json:"mnemonic"`
			Seed     string `json:"seed"`
			Xprv     string `json:"xprv"`
		} `json:"english"`
	}
	load(t, "bip39.json", &vectors)
	if len(vectors.English) != 24 {
		t.Fatalf("%d vectors, want 24", len(vectors.English))
	}
	for _, v := range vectors.English {
		t.Run(v.Entropy, func(t *testing.T) {
			mnemonic, err := Mnemonic(unhex(t, v.Entropy))
			if err != nil {
				t.Fatal(err)
			}
			if string(mnemonic) != v.Mnemonic {
				t.Errorf("mnemonic %q, want %q", mnemonic, v.Mnemonic)
			}
			entropy, err := Entropy([]byte(v.Mnemonic))
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(entropy); got != v.Entropy {
				t.Errorf("entropy %s, want %s", got, v.Entropy)
			}
			seed := Seed(mnemonic, vectors.Passphrase)
			if got := hex.EncodeToString(seed); got != v.Seed {
				t.Errorf("seed %s, want %s", got, v.Seed)
			}
			root, err := hdkeychain.NewMaster(seed, &chaincfg.MainNetParams)
			if err != nil {
				t.Fatal(err)
			}
			if got := root.String(); got != v.Xprv {
				t.Errorf("master key %s, want %s", got, v.Xprv)
			}
		})
	}
}

func TestEntropyRefuses(t *testing.T) {
	twelve := "legal winner thank year wave sausage worth useful legal winner thank yellow"
	tests := []struct{ name, mnemonic, want string }{
		{"nothing", "", "0 words"},
		{"eleven words", strings.TrimSuffix(twelve, " yellow"), "11 words"},
		{"twenty-seven words", strings.Repeat("zoo ", 27), "27 words"},
		{"unknown word", strings.Replace(twelve, "sausage", "xyzzy", 1), "word 6 is not"},
		{"two words swapped", strings.Replace(twelve, "legal winner", "winner legal", 1), ErrChecksum.Error()},
		{"last word wrong", strings.Replace(twelve, "yellow", "zoo", 1), ErrChecksum.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Entropy([]byte(tt.mnemonic))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q in it", err, tt.want)
			}
			for _, word := range []string{"xyzzy", "sausage", "winner"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("error tells a word: %v", err)
				}
			}
		})
	}
}

func TestEntropyForgivesForm(t *testing.T) {
	tidy := []byte("legal winner thank year wave sausage worth useful legal winner thank yellow")
	typed := []byte("\n Legal WINNER thank\tyear  wave sausage\r\nworth useful legal winner thank yellow \n")
	want, err := Entropy(tidy)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Entropy(typed)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("entropy %x, %v, want %x", got, err, want)
	}
}

func TestNewMnemonic(t *testing.T) {
	a, errA := NewMnemonic()
	b, errB := NewMnemonic()
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a, b) {
		t.Error("two new mnemonics are the same")
	}
	if n := len(bytes.Fields(a)); n != 24 {
		t.Errorf("%d words, want 24", n)
	}
	if _, err := Entropy(a); err != nil {
		t.Error(err)
	}
}
