package slip39

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcutil/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg"
	"pgregory.net/rapid"
)

func TestWordList(t *testing.T) {
	// The SHA-256 of slip-0039/wordlist.txt of the standard.
	const want = "bcc4555340332d169718aed8bf31dd9d5248cb7da6e5d355140ef4f1e601eec3"
	if sum := sha256.Sum256([]byte(wordFile)); hex.EncodeToString(sum[:]) != want {
		t.Errorf("the word list has the SHA-256 %x, want %s", sum, want)
	}
}

func parseAll(texts []string) (shares []*Share, err error) {
	for _, text := range texts {
		s, err := Parse([]byte(text))
		if err != nil {
			return nil, err
		}
		shares = append(shares, s)
	}
	return shares, nil
}

// The vectors of the standard, from the reference implementation
// (trezor/python-shamir-mnemonic): shares, the secret under the passphrase
// TREZOR or nothing where the shares are wrong, and the BIP-32 root key.
func TestVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors [][4]json.RawMessage
	if err := json.Unmarshal(raw, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != 45 {
		t.Fatalf("%d vectors, want 45", len(vectors))
	}
	for _, v := range vectors {
		var (
			name, secret, root string
			texts              []string
		)
		for i, into := range []any{&name, &texts, &secret, &root} {
			if err := json.Unmarshal(v[i], into); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(name, func(t *testing.T) {
			shares, err := parseAll(texts)
			var got []byte
			if err == nil {
				got, err = Combine(shares, []byte("TREZOR"))
			}
			if (err != nil) != (secret == "") || hex.EncodeToString(got) != secret {
				t.Fatalf("secret %x, %v, want %q", got, err, secret)
			}
			if err != nil {
				for _, word := range strings.Fields(strings.Join(texts, " ")) {
					if strings.Contains(" "+err.Error()+" ", " "+word+" ") && len(word) > 5 {
						t.Errorf("the error shows a word: %v", err)
					}
				}
				return
			}
			key, err := hdkeychain.NewMaster(got, &chaincfg.MainNetParams)
			if err != nil || key.String() != root {
				t.Errorf("root key %s, %v, want %s", key, err, root)
			}
			for i, s := range shares {
				if again := string(s.Words()); again != texts[i] {
					t.Errorf("share %d is spelt %q again, want %q", i+1, again, texts[i])
				}
			}
		})
	}
}

// Any threshold of the shares give the secret, in any order; fewer do not.
func TestSplitCombine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SliceOfN(rapid.Byte(), 16, 32).Filter(func(b []byte) bool { return len(b)%2 == 0 }).Draw(t, "secret")
		count := rapid.IntRange(1, 16).Draw(t, "count")
		threshold := 1
		if count > 1 {
			threshold = rapid.IntRange(2, count).Draw(t, "threshold")
		}
		shares, err := Split(secret, threshold, count)
		if err != nil {
			t.Fatal(err)
		}
		var chosen []*Share
		for _, i := range rapid.Permutation(indices(count)).Draw(t, "order")[:threshold] {
			s, err := Parse(bytes.ToUpper(shares[i].Words()))
			if err != nil {
				t.Fatal(err)
			}
			if s.Number() != i+1 || s.Threshold() != threshold || !s.SameSet(shares[0]) {
				t.Fatalf("share %d was read as %v", i+1, s)
			}
			chosen = append(chosen, s)
		}
		got, err := Combine(chosen, nil)
		if err != nil || !bytes.Equal(got, secret) {
			t.Fatalf("%d of %d shares give %x, %v, want %x", threshold, count, got, err, secret)
		}
		if _, err := Combine(chosen[1:], nil); err == nil {
			t.Fatalf("%d shares of %d that are needed were enough", threshold-1, threshold)
		}
	})
}

func indices(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func TestSplitRefuses(t *testing.T) {
	for _, tt := range []struct{ secret, threshold, count int }{
		{14, 2, 3}, {17, 2, 3}, {66, 2, 3}, {0, 2, 3}, {32, 0, 3}, {32, 4, 3}, {32, 1, 3}, {32, 2, 17}, {32, 1, 0}, {32, -1, -1},
	} {
		if _, err := Split(make([]byte, tt.secret), tt.threshold, tt.count); err == nil {
			t.Errorf("%d of %d shares of %d bytes were made", tt.threshold, tt.count, tt.secret)
		}
	}
}

// Every share with one word mistaken, missing, doubled or exchanged is
// refused.
func TestParseFindsMistakes(t *testing.T) {
	shares, err := Split(make([]byte, 32), 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	words, _ := list()
	good := strings.Fields(string(shares[1].Words()))
	refused := 0
	try := func(changed []string) {
		text := strings.Join(changed, " ")
		if text == strings.Join(good, " ") {
			return
		}
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("a changed share was read")
		}
		refused++
	}
	for i := range good {
		for _, word := range words {
			changed := append(append(append([]string{}, good[:i]...), word), good[i+1:]...)
			try(changed)
		}
		try(append(append([]string{}, good[:i]...), good[i+1:]...))
		try(append(append(append([]string{}, good[:i]...), good[i]), good[i:]...))
		if i > 0 {
			swapped := append([]string{}, good...)
			swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
			try(swapped)
		}
	}
	if refused < 33*1023 {
		t.Errorf("only %d changes were tried", refused)
	}
}

// A share whose value was made up, with a checksum that is right, does not
// give another secret.
func TestCombineRefusesForgery(t *testing.T) {
	shares, err := Split(bytes.Repeat([]byte{7}, 32), 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	forged := *shares[1]
	forged.value = bytes.Clone(forged.value)
	forged.value[5] ^= 1
	again, err := Parse(forged.Words())
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string][]*Share{"just enough": {shares[0], again}, "one more": {shares[0], shares[2], again}} {
		if _, err := Combine(set, nil); err == nil {
			t.Errorf("%s: a forged share was taken", name)
		}
	}
	other, err := Split(bytes.Repeat([]byte{7}, 32), 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Combine([]*Share{shares[0], other[1]}, nil); err == nil {
		t.Error("shares of two sets were taken")
	}
}

func TestNothingIsPrinted(t *testing.T) {
	shares, err := Split(bytes.Repeat([]byte{7}, 32), 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if out := fmt.Sprintf(verb, shares[0]); strings.Contains(out, hex.EncodeToString(shares[0].value[:4])) || len(out) > 40 {
			t.Errorf("%s shows %q", verb, out)
		}
	}
}

func TestInverse(t *testing.T) {
	for a := 1; a < 256; a++ {
		if got := mul(byte(a), inverse(byte(a))); got != 1 {
			t.Errorf("%d times its inverse is %d", a, got)
		}
	}
	if mul(0x57, 0x83) != 0xc1 { // FIPS 197, 4.2
		t.Error("57 times 83 is not c1")
	}
}

func FuzzParse(f *testing.F) {
	shares, err := Split(make([]byte, 16), 2, 3)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(shares[0].Words())
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if got, want := s.Words(), bytes.Join(bytes.Fields(bytes.ToLower(text)), []byte(" ")); !bytes.Equal(got, want) {
			t.Errorf("read %q, spelt %q", want, got)
		}
	})
}
