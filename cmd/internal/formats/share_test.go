package formats

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/airlock-wallet/airlock/signer/slip39"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

// The shares of the page restore its mnemonic. With -update they are made anew
// unless they do.
func TestShares(t *testing.T) {
	entropy := must(hd.Entropy([]byte(line(t, "mnemonic"))))(t)
	names := []string{"share", "second-share"}
	restored := func() []byte {
		var shares []*slip39.Share
		for _, name := range names {
			// As the page says it, without the commands.
			words := regexp.MustCompile("(?m)^#.*$").ReplaceAllString(example(t, name), "")
			if share, err := slip39.Parse([]byte(words)); err == nil {
				shares = append(shares, share)
			}
		}
		secret, err := slip39.Combine(shares, nil)
		if err != nil {
			t.Log(err)
		}
		return secret
	}
	fingerprint := must(hd.ParseFingerprint(line(t, "fingerprint")))(t)
	if *update && !bytes.Equal(restored(), entropy) {
		shares := must(slip39.Split(entropy, 2, 3))(t)
		for i, name := range names {
			write(t, name, fmt.Sprintf("# airlock share %d of 3; any 2 restore the mnemonic with this fingerprint\n# fingerprint %s\n%s\n", i+1, fingerprint, shares[i].Words()))
		}
	}
	if got := restored(); !bytes.Equal(got, entropy) {
		t.Errorf("the shares restore %x, the mnemonic's entropy is %x", got, entropy)
	}
	for _, name := range names {
		if !strings.Contains(example(t, name), "\n# fingerprint "+fingerprint.String()+"\n") {
			t.Errorf("%s does not name the fingerprint %s", name, fingerprint)
		}
	}
}
