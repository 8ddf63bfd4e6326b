package station

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/ur"
)

// piped runs a command with text on standard input.
func (b *bench) piped(in string, args ...string) result {
	b.t.Helper()
	env, out, errs := cli.Test(b.path("home"))
	env.In = strings.NewReader(in)
	code := cli.MainContext(b.t.Context(), b.root(env), env, args)
	return result{code, out.String(), errs.String()}
}

// shown is the texts that qr show prints.
func (b *bench) shown(args ...string) []string {
	b.t.Helper()
	return strings.Split(strings.TrimSpace(b.ok(append([]string{"qr", "show"}, args...)...).out), "\n")
}

// noise is bytes that nothing compresses.
func noise(size int) []byte {
	random, out := rand.New(rand.NewPCG(3, 4)), make([]byte, size)
	for i := range out {
		out[i] = byte(random.Uint32())
	}
	return out
}

func sum(s string) string {
	digest := sha256.Sum256([]byte(s))
	return hex.EncodeToString(digest[:])
}

// Every kind of file crosses as text, byte for byte, whatever becomes of the
// parts on the way.
func TestQRText(t *testing.T) {
	b := ready(t)
	digest := b.batch("batch.json", 0, nil)
	b.ok(b.signArgs("batch.json", "signed.json", "--expect", digest)...)
	b.ok("vault", "export-watch", "-o", b.path("watch.json"), "--passphrase-file", b.path("pass"))
	b.write("empty", "")
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"batch.json", "signed.json", "watch.json", "empty"} {
		texts := b.shown(b.path(name), "--size", "50", "--frames", "120")
		random.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
		in := "https://example.com\n\n"
		for i, text := range texts {
			switch i % 3 {
			case 0:
				in += "QR-Code:" + strings.ToUpper(text) + "\r\n"
			case 1:
				in += text + "\n" + text + "\n" + text[:len(text)-1] + "\n"
			}
		}
		in += strings.Repeat("x", 3*ur.MaxText) + "\n"
		r := b.piped(in, "qr", "read", "-", "-o", b.path(name+".back"))
		if r.code != 0 || b.read(name+".back") != b.read(name) || !strings.Contains(r.out, sum(b.read(name))) {
			t.Fatalf("%s: exit code %d, %s%s", name, r.code, r.out, r.err)
		}
		if !strings.Contains(r.err, "that are no parts") {
			t.Errorf("%s: nothing is said of other codes: %s", name, r.err)
		}
		if info, err := os.Stat(b.path(name + ".back")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", name, info, err)
		}
		if r := b.piped(in, "qr", "read", "-"); r.code != 0 || r.out != b.read(name) {
			t.Errorf("%s into a pipe: exit code %d, %q", name, r.code, r.out)
		}
	}
	b.write("mine", "mine")
	in := strings.Join(b.shown(b.path("batch.json")), "\n")
	if r := b.piped(in, "qr", "read", "-", "-o", b.path("mine")); r.code != 1 || b.read("mine") != "mine" {
		t.Errorf("a file was replaced: exit code %d, %s", r.code, r.err)
	}
	if r := b.piped(in, "qr", "read", "-", "-o", b.path("batch.json")); r.code != 0 {
		t.Errorf("the same file again: exit code %d, %s", r.code, r.err)
	}
}

func TestQRImages(t *testing.T) {
	b := newBench(t)
	b.batch("batch.json", 0, nil)
	var row struct {
		Needed int    `json:"parts_needed"`
		Shown  int    `json:"parts_shown"`
		SHA256 string `json:"sha256"`
	}
	b.json(&row, "qr", "show", b.path("batch.json"), "--png", b.path("codes"), "--size", "60", "--frames", "40")
	files, err := filepath.Glob(b.path("codes/frame-*.png"))
	if err != nil || len(files) != 40 || row.Shown != 40 || row.Needed < 5 || row.SHA256 != sum(b.read("batch.json")) {
		t.Fatalf("%d images, %v, %+v", len(files), err, row)
	}
	for _, i := range []int{0, 3, 4} { // the mixtures make up for them
		if err := os.Remove(files[i]); err != nil {
			t.Fatal(err)
		}
	}
	b.write("codes/a note", "no image")
	b.write("codes/.hidden", "no image either")
	var back struct {
		Parts, Foreign int
		SHA256         string
	}
	b.json(&back, "qr", "read", b.path("codes"), "-o", b.path("back.json"))
	if b.read("back.json") != b.read("batch.json") || back.Foreign != 1 || back.SHA256 != row.SHA256 {
		t.Errorf("read as %+v", back)
	}
	b.ok(append([]string{"qr", "read", "-o", b.path("again.json")}, slices.DeleteFunc(files, func(f string) bool { _, err := os.Stat(f); return err != nil })...)...)
	b.fails(1, "exists", "qr", "show", b.path("batch.json"), "--png", b.path("codes"), "--frames", "40")
	b.fails(1, "no such file", "qr", "read", b.path("none.png"), "-o", b.path("x"))
	b.fails(1, "no part of a file", "qr", "read", b.path("pass"), "-o", b.path("x"))
}

func TestQRRefused(t *testing.T) {
	b := ready(t)
	b.batch("batch.json", 0, nil)
	b.batch("other.json", 7, nil)
	one, two := b.shown(b.path("batch.json"), "--size", "50"), b.shown(b.path("other.json"), "--size", "50")
	foreign, err := ur.NewEncoder("crypto-psbt", []byte{1, 2, 3}, 10)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ur.NewEncoder(ur.FileType, []byte{0x43, 1, 2, 3}, 10)
	if err != nil {
		t.Fatal(err)
	}
	forged := slices.Clone(one)
	p, err := ur.ParsePart(forged[2])
	if err != nil {
		t.Fatal(err)
	}
	p.Data[1] ^= 1
	forged[2] = p.String()
	for name, test := range map[string]struct {
		lines []string
		code  int
		say   string
	}{
		"two messages":   {[]string{one[0], two[0]}, 3, "another message"},
		"too few":        {one[1:], 1, fmt.Sprintf("%d of %d parts: 1 more", len(one)-1, len(one))},
		"nothing":        {nil, 1, "no part of a file"},
		"another kind":   {[]string{foreign.Next().String()}, 3, "crypto-psbt"},
		"other bytes":    {[]string{raw.Next().String()}, 3, "no file of airlock"},
		"a forged part":  {forged, 3, "contradict"},
		"an answer":      {[]string{"ur:eth-signature/oeadtpdagdndcawmgtfrkigrpmndutdnbtkgfssbjnaohdfptywtosrftahprdctrkbegylogdghjkbafhflamfwlohghtpsseaozorsimnybbtnnbiynlckenbtfmeeamsabnaeoxasjkwswfkekiieckhpecckssptndzelnwfecylbwdlsgvazt"}, 2, "--batch"},
		"control letter": {[]string{"\x1b]0;evil\a"}, 1, `\x1b`},
	} {
		r := b.piped(strings.Join(test.lines, "\n"), "qr", "read", "-", "-o", b.path("x"))
		if r.code != test.code || !strings.Contains(r.err, test.say) || strings.Contains(r.err, "\x1b") {
			t.Errorf("%s: exit code %d, %q; want %d, %q", name, r.code, r.err, test.code, test.say)
		}
		if _, err := os.Stat(b.path("x")); err == nil {
			t.Fatalf("%s: a file was written", name)
		}
	}
	b.fails(3, "vault", "qr", "show", b.path("home/"+VaultFile))
	b.write("big", string(bytes.Repeat([]byte{0}, ur.MaxFile+1)))
	b.fails(3, "longer than", "qr", "show", b.path("big"))
	b.fails(2, "--fps", "qr", "show", b.path("batch.json"), "--fps", "0")
	b.write("noise", string(noise(5000)))
	b.fails(2, "the most that fit", "qr", "show", b.path("noise"), "--size", "1000")
}

// A scanner may never end its pipe: reading ends with the message.
func TestQRReadEndsWithTheMessage(t *testing.T) {
	b := newBench(t)
	b.batch("batch.json", 0, nil)
	in, scanner := io.Pipe()
	defer scanner.Close()
	go func() {
		for _, text := range b.shown(b.path("batch.json")) {
			fmt.Fprintln(scanner, text)
		}
	}()
	env, _, errs := cli.Test(b.path("home"))
	env.In = in
	if code := cli.MainContext(t.Context(), New(env), env, []string{"qr", "read", "-", "-o", b.path("back.json")}); code != 0 {
		t.Fatal(errs)
	}
	if b.read("back.json") != b.read("batch.json") {
		t.Error("another file came out")
	}
}

// The whole way of a withdrawal that a hardware wallet signs; the wallet is a
// key that knows the standard and nothing of airlock.
func TestQRHardwareWallet(t *testing.T) {
	b := newBench(t)
	b.batch("batch.json", 5, func(u *batch.Batch) {
		u.Items = u.Items[:1]
		u.Items[0].Rungs = append(u.Items[0].Rungs, batch.Bump(u.Items[0].Rungs[0]))
	})
	answer := func(rung int) string {
		texts := b.shown(b.path("batch.json"), "--erc4527", "--rung", fmt.Sprint(rung), "--source-fingerprint", "73c5da0a")
		var d ur.Decoder
		for _, text := range texts {
			p, err := ur.ParsePart(text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Add(p); err != nil {
				t.Fatal(err)
			}
		}
		kind, request, err := d.Message()
		if err != nil || kind != "eth-sign-request" {
			t.Fatal(kind, err)
		}
		return hardwareAnswer(t, request)
	}
	// Two rungs: one answer is not enough, and may come again.
	one, two := answer(1), answer(2)
	r := b.piped(one+"\n"+one, "qr", "read", "-", "--batch", b.path("batch.json"), "-o", b.path("signed.json"))
	if r.code != 1 || !strings.Contains(r.err, "rung 2") {
		t.Errorf("half of it: exit code %d, %s", r.code, r.err)
	}
	r = b.piped(two+"\n"+one, "qr", "read", "-", "--batch", b.path("batch.json"), "-o", b.path("signed.json"))
	if r.code != 0 || !strings.Contains(r.err, "signed outside airlock") {
		t.Fatalf("exit code %d, %s", r.code, r.err)
	}
	signed, err := batch.ParseSigned([]byte(b.read("signed.json")))
	if err != nil || signed.Verify() != nil || !signed.Outside() || !signed.SignedAt.Equal(signed.SignedAt.UTC()) {
		t.Fatalf("%+v, %v", signed, err)
	}
	if r := b.ok("review", b.path("signed.json")); !strings.Contains(r.out, "2 signatures, all verified") || !strings.Contains(r.out, "WARNING       "+batch.OutsideWarning) {
		t.Errorf("the review says %s", r.out)
	}
	// Of another batch, and of another kind.
	b.batch("other.json", 6, func(u *batch.Batch) { u.Items = u.Items[:1] })
	if r := b.piped(one, "qr", "read", "-", "--batch", b.path("other.json"), "-o", b.path("x")); r.code != 3 || !strings.Contains(r.err, "none of this batch") {
		t.Errorf("of another batch: exit code %d, %s", r.code, r.err)
	}
	if r := b.piped(b.shown(b.path("other.json"))[0], "qr", "read", "-", "--batch", b.path("other.json"), "-o", b.path("x")); r.code != 3 {
		t.Errorf("a file instead of an answer: exit code %d, %s", r.code, r.err)
	}
	b.batch("two.json", 5, nil)
	b.fails(3, "single withdrawal", "qr", "show", b.path("two.json"), "--erc4527")
	b.fails(2, "rung 3", "qr", "show", b.path("batch.json"), "--erc4527", "--rung", "3")
	b.fails(2, "8 hex digits", "qr", "show", b.path("batch.json"), "--erc4527", "--source-fingerprint", "1")
}

// hardwareAnswer signs the data of a request with the key of the bench's payout
// address, and answers in CBOR made by hand.
func hardwareAnswer(t *testing.T, request []byte) string {
	t.Helper()
	seed := hd.Seed([]byte(words), "")
	master, err := hd.NewMaster(seed)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	key, err := master.Key(wallet.Path{Role: wallet.PayoutRole})
	if err != nil {
		t.Fatal(err)
	}
	id, data := request[5:21], request[21:]
	if data[0] != 2 || data[1] != 0x58 { // member 2, bytes with a length of one byte
		t.Fatalf("request %x", request)
	}
	data = data[3 : 3+int(data[2])]
	signature, err := crypto.Sign(crypto.Keccak256(data), key)
	if err != nil {
		t.Fatal(err)
	}
	message := append(append([]byte{0xa2, 1, 0xd8, 37, 0x50}, id...), append([]byte{2, 0x58, 65}, signature...)...)
	e, err := ur.NewEncoder("eth-signature", message, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return e.Next().String()
}
