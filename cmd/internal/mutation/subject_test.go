package mutation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/multipay"
)

// subject is a kind of file, an original of it, and what reads it.
type subject struct {
	name     string
	original []byte
	// read reads a file as airlock does.
	read func(file []byte) (meaning, error)
	// says is what a file says to a reader that knows nothing of its kind; an
	// error where it could say one thing to one reader and another to the next.
	// It is equal for two files if and only if they must mean the same.
	says func(file []byte) (string, error)
	// place is where an error says that the file is wrong.
	place func(err error) string
	// edits are changes of single fields, random one of some fields at random.
	edits  func(file []byte) iter.Seq[edit]
	random func(rng *rand.Rand, file []byte) edit
}

// meaning is what was taken from a file.
type meaning struct {
	all string // whatever was taken from it
	// sealed is the part that no change may change, because something that the
	// writer of a changed file does not have vouches for it.
	sealed string
}

func dump(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// subjects are all of them. What reads parts of QR codes belongs here, too.
func subjects(t testing.TB) []subject {
	t.Helper()
	return []subject{
		batchSubject("batch", original(t, "batch.json", func() []byte { return encoded(t, fullBatch(t)) })),
		batchSubject("sweep-batch", original(t, "sweep-batch.json", func() []byte { return example(t, "sweep-batch") })),
		batchSubject("payments-batch", original(t, "payments-batch.json", func() []byte { return encoded(t, paymentsBatch(t)) })),
		signedSubject("signed-batch", original(t, "signed-batch.json", func() []byte { return encoded(t, signed(t, fullBatch(t))) })),
		watchSubject(original(t, "watch.json", func() []byte { return example(t, "watch") })),
		vaultSubject(t),
		policySubject("policy", original(t, "policy.toml", func() []byte { return example(t, "policy") })),
		policySubject("full-policy", original(t, "full-policy.toml", func() []byte { return fullPolicy(t) })),
	}
}

// original is a file that changes are made of. It is kept, so that the same
// changes are made of it each time; -update makes it anew.
func original(t testing.TB, name string, anew func() []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, anew(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// example is an example of docs/formats.md.
func example(t testing.TB, name string) []byte {
	t.Helper()
	page, err := os.ReadFile("../../../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?ms)^```[a-z]+ example=" + regexp.QuoteMeta(name) + "\n(.*?)^```$").FindSubmatch(page)
	if m == nil {
		t.Fatalf("docs/formats.md has no example %s", name)
	}
	return m[1]
}

func encoded(t testing.TB, f interface{ Encode() ([]byte, error) }) []byte {
	t.Helper()
	file, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// fullBatch is the page's batch with what a batch need not have.
func fullBatch(t testing.TB) *batch.Batch {
	t.Helper()
	b, err := batch.Parse(example(t, "batch"))
	if err != nil {
		t.Fatal(err)
	}
	signature := func(fill byte) hexutil.Bytes {
		sig := make(hexutil.Bytes, 65)
		for i := range sig {
			sig[i] = fill + byte(i)
		}
		sig[64] = 27
		return sig
	}
	people := [...]common.Address{
		common.HexToAddress("0xd41c057fd1c78805AAC12B0A94a405c0461A6FBb"), common.HexToAddress("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
	}
	b.RecordHead = strings.Repeat("5a", 32)
	b.Items[0].RequestedBy = []wallet.Requester{{Requester: people[0], Signature: signature(1)}, {Requester: people[1], Signature: signature(2)}}
	b.Items[1].Replaces = wallet.IntentName{Kind: wallet.IntentWithdrawal, ID: "w-0999"}
	b.Items[1].Cancel = withCancel(b.Items[1].Rungs)
	b.Approvals = []batch.Approval{{Approver: people[1], Signature: signature(3)}, {Approver: people[0], Signature: signature(4)}}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

// withCancel is a cancel that outbids a ladder.
func withCancel(rungs []wallet.Fee) *batch.Cancel {
	fee := batch.Bump(rungs[len(rungs)-1])
	return &batch.Cancel{Gas: batch.MinGas, MaxFeePerGas: fee.MaxFeePerGas, MaxPriorityFeePerGas: fee.MaxPriorityFeePerGas}
}

// paymentsBatch is the page's batch with an allowance and one transaction that pays
// two withdrawals.
func paymentsBatch(t testing.TB) *batch.Batch {
	t.Helper()
	b := fullBatch(t)
	last := b.Items[len(b.Items)-1]
	usd := b.Assets[len(b.Assets)-1].Asset
	item := func(kind wallet.IntentKind, nonce uint64) batch.Item {
		return batch.Item{
			From: last.From, Path: last.Path, Nonce: nonce, To: multipay.Address(), Gas: 100_000, Rungs: last.Rungs, Requires: -1,
			Intent: wallet.Intent{Kind: kind, ID: fmt.Sprintf("1:payout:%d", nonce), Asset: usd, Recipient: multipay.Address(), Amount: wallet.NewAmount(3)},
		}
	}
	allowance, many := item(wallet.IntentAllowance, last.Nonce+1), item(wallet.IntentPayments, last.Nonce+2)
	allowance.To, allowance.Data = usd.Contract, multipay.ApproveData(wallet.NewAmount(3))
	many.Requires = 0
	for i := range 2 {
		many.Payments = append(many.Payments, batch.Payment{ID: fmt.Sprintf("m-%d", i), Recipient: common.BytesToAddress([]byte{0x70, byte(i)}), Amount: wallet.NewAmount(int64(i) + 1)})
	}
	many.Payments[0].RequestedBy = b.Items[0].RequestedBy
	call := many.Call(60_000)
	data, err := call.Encode()
	if err != nil {
		t.Fatal(err)
	}
	many.Data, many.Gas = data, call.GasLimit()
	b.Items = []batch.Item{allowance, many}
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	return b
}

// signed signs a batch with the page's keys.
func signed(t testing.TB, b *batch.Batch) *batch.Signed {
	t.Helper()
	_, v := cheapVault(t)
	digest, err := b.HexDigest()
	if err != nil {
		t.Fatal(err)
	}
	s := &batch.Signed{
		Format: batch.SignedFormat, Version: batch.Version, Batch: *b, Digest: digest,
		PolicyHash: strings.Repeat("17", 32), RecordHead: strings.Repeat("39", 32), SignedAt: b.CreatedAt.Add(time.Hour),
	}
	for i := range b.Items {
		it := &b.Items[i]
		var rungs []wallet.SignedRung
		for rung := range it.Signatures() {
			tx := it.Transaction(b.ChainID, rung)
			signer := types.LatestSignerForChainID(tx.ChainId())
			sig, err := v.Own().SignHash(it.Path, it.From, signer.Hash(tx))
			if err != nil {
				t.Fatal(err)
			}
			if tx, err = tx.WithSignature(signer, sig[:]); err != nil {
				t.Fatal(err)
			}
			raw, err := tx.MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			rungs = append(rungs, wallet.SignedRung{Hash: tx.Hash(), Raw: raw})
		}
		s.Transactions = append(s.Transactions, rungs)
	}
	if err := s.Verify(); err != nil {
		t.Fatal(err)
	}
	return s
}

func jsonSubject(name string, original []byte) subject {
	return subject{
		name: name, original: original, says: jsonSays,
		edits: func(file []byte) iter.Seq[edit] {
			root, err := read(file)
			if err != nil {
				panic(err)
			}
			return jsonEdits(root)
		},
		random: func(rng *rand.Rand, file []byte) edit {
			root, err := read(file)
			if err != nil {
				panic(err)
			}
			return randomJSON(rng, root)
		},
	}
}

// batchPlace is the field that an error of package batch names, or its words for
// a file that has no fields.
func batchPlace(err error) string {
	var e *batch.Error
	if !errors.As(err, &e) || !errors.Is(err, wallet.ErrRefused) {
		return ""
	}
	if e.Field != "" {
		return e.Field
	}
	return wordsOfPlace(e.Problem)
}

// wordsOfPlace finds words that say where in a file, or that it is all of it.
func wordsOfPlace(text string) string {
	return regexp.MustCompile(`byte \d+|line \d+, column \d+|file of (\d+ bytes|format)|format version|\[\[[a-z]+\]\] number \d+|accounts\[\d\]|^\d+ bytes|^[a-z_]+( = |: |, number \d+: | is missing)`).FindString(text)
}

// batchSubject: a batch is not sealed, people compare its digest. So a changed
// one is refused, or has the digest and bytes to be signed that its text tells.
func batchSubject(name string, original []byte) subject {
	s := jsonSubject(name, original)
	s.place = batchPlace
	s.read = func(file []byte) (meaning, error) {
		b, err := batch.Parse(file)
		if err != nil {
			return meaning{}, err
		}
		all, err := batchMeans(b)
		if err != nil {
			return meaning{}, fmt.Errorf("taken, and then: %w", err)
		}
		if err := digestIsOf(file, b); err != nil {
			panic(err)
		}
		return meaning{all: all}, nil
	}
	return s
}

// batchMeans is the digest, which is of all but the approvals, these, and what
// would be signed.
func batchMeans(b *batch.Batch) (string, error) {
	digest, err := b.HexDigest()
	if err != nil {
		return "", err
	}
	all := digest + dump(b.Approvals)
	for i := range b.Items {
		it := &b.Items[i]
		for rung := range it.Signatures() {
			tx := it.Transaction(b.ChainID, rung)
			all += fmt.Sprintf(" %s:%s", it.From, types.LatestSignerForChainID(tx.ChainId()).Hash(tx))
		}
	}
	return all, nil
}

// digestIsOf holds the digest against the text of the file, by the standard
// library's JSON: of texts only, with members in order, it is canonical.
func digestIsOf(file []byte, b *batch.Batch) error {
	var tree map[string]any
	if err := json.Unmarshal(file, &tree); err != nil {
		return err
	}
	delete(tree, "approvals")
	var canon strings.Builder
	e := json.NewEncoder(&canon)
	e.SetEscapeHTML(false)
	if err := e.Encode(tree); err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(strings.TrimSuffix(canon.String(), "\n")))
	if digest, err := b.HexDigest(); err != nil || digest != hex.EncodeToString(sum[:]) {
		return fmt.Errorf("the digest is %s (%w); that of the text is %x\n%s", digest, err, sum, canon.String())
	}
	return nil
}

// signedSubject: signatures seal the batch but for its approvals. The policy's
// hash, the record's head and the time are the station's words.
func signedSubject(name string, original []byte) subject {
	s := jsonSubject(name, original)
	s.place = batchPlace
	s.read = func(file []byte) (meaning, error) {
		b, err := batch.ParseSigned(file)
		if err == nil {
			err = b.Verify()
		}
		if err != nil {
			return meaning{}, err
		}
		all, err := batchMeans(&b.Batch)
		if err != nil {
			return meaning{}, fmt.Errorf("taken, and then: %w", err)
		}
		sealed := b.Digest + dump(b.Transactions)
		return meaning{sealed + all + b.PolicyHash + b.RecordHead + b.SignedAt.String(), sealed}, nil
	}
	return s
}

// watchSubject: the fingerprint, which is compared with that on the station's
// screen, seals a watch file.
func watchSubject(original []byte) subject {
	s := jsonSubject("watch", original)
	s.read = func(file []byte) (meaning, error) {
		w, err := hd.DecodeWatch(file)
		if err != nil {
			return meaning{}, err
		}
		all := w.Fingerprint().String()
		for _, role := range wallet.Roles() {
			all += " " + w.Account(role).String()
		}
		return meaning{all, all}, nil
	}
	s.place = func(err error) string {
		text := strings.TrimPrefix(err.Error(), "watch file: ")
		if field := regexp.MustCompile(`at "([^"]+)"`).FindStringSubmatch(text); field != nil {
			return field[1]
		}
		if at := wordsOfPlace(text); at != "" {
			return at
		}
		return regexp.MustCompile(`^(format|version|fingerprint|\d+ accounts|path of [a-z]+|account key of [a-z]+)`).FindString(text)
	}
	return s
}

// cheapVault is a vault of the page's words that opens fast. It is kept, so that
// the same changes are made of it each time.
func cheapVault(t testing.TB) (file []byte, v *vault.Vault) {
	t.Helper()
	const path = "testdata/vault.json"
	if *update {
		mnemonic := []byte(strings.TrimSpace(string(example(t, "mnemonic"))))
		if v, err := vault.Open(path, []byte(passphrase)); err == nil {
			v.Close()
		} else if _, err := vault.Create(path, mnemonic, []byte(passphrase), vault.KDF{N: 2, R: 1, P: 1}); err != nil {
			t.Fatal(err)
		}
	}
	v, err := vault.Open(path, []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	if file, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return file, v
}

const passphrase = "correct horse battery staple"

// vaultSubject: the passphrase seals a vault.
func vaultSubject(t testing.TB) subject {
	t.Helper()
	original, _ := cheapVault(t)
	s := jsonSubject("vault", original)
	path := filepath.Join(t.TempDir(), "changed.json")
	s.read = func(file []byte) (meaning, error) {
		if err := os.WriteFile(path, file, 0o600); err != nil {
			panic(err)
		}
		// Without the passphrase, too, whatever it holds.
		if _, err := vault.Stat(path); err != nil {
			return meaning{}, err
		}
		v, err := vault.Open(path, []byte(passphrase))
		if err != nil {
			return meaning{}, err
		}
		defer v.Close()
		accounts, err := v.Accounts()
		if err != nil {
			return meaning{}, err
		}
		all := v.Fingerprint().String() + dump(accounts) + dump(v.Info().KDF)
		return meaning{all, all}, nil
	}
	s.place = func(err error) string {
		var e *vault.FileError
		switch {
		case errors.As(err, &e) && e.Path == path && e.Field != "":
			return "/" + strings.ReplaceAll(e.Field, ".", "/")
		case errors.As(err, &e) && e.Path == path:
			if at := wordsOfPlace(e.Reason); at != "" {
				return at
			}
			return regexp.MustCompile(`longer than|not a vault`).FindString(e.Reason)
		case errors.Is(err, vault.ErrPassphrase) && strings.Contains(err.Error(), path):
			return "passphrase" // nobody can tell which of the sealed fields it was
		}
		return ""
	}
	return s
}

// fullPolicy is the strict preset with everything in it that it explains.
func fullPolicy(t testing.TB) []byte {
	t.Helper()
	preset, err := policy.Preset("strict")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	explained := regexp.MustCompile(`^# (\[\[[a-z]+\]\]|[a-z_]+ = .*)$`)
	for line := range strings.Lines(string(preset)) {
		line = strings.TrimSuffix(line, "\n")
		if m := explained.FindStringSubmatch(line); m != nil && !strings.Contains(line, "any_recipient") {
			line = m[1]
		}
		if line, _, _ = strings.Cut(line, " #"); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimRight(line, " "))
		}
	}
	return []byte(strings.Join(lines, "\n") + "\n")
}

// policySubject: a policy is its operator's to change. A changed one is refused,
// or means what its text says, and its hash is another.
func policySubject(name string, original []byte) subject {
	return subject{
		name: name, original: original, says: tomlSays, edits: tomlEdits,
		read: func(file []byte) (meaning, error) {
			p, err := policy.Parse(file)
			if err != nil {
				return meaning{}, err
			}
			if sum := sha256.Sum256(file); p.Hash != hex.EncodeToString(sum[:]) {
				panic("the hash of a policy is not that of its file")
			}
			if len(p.Explain()) == 0 {
				panic("a policy that cannot be explained")
			}
			p.Hash = ""
			return meaning{all: dump(p)}, nil
		},
		place: func(err error) string {
			if at := regexp.MustCompile(`line \d+`).FindString(err.Error()); at != "" {
				return at
			}
			if at := wordsOfPlace(err.Error()); at != "" {
				return at
			}
			return regexp.MustCompile(`no key "[^"]*"`).FindString(err.Error())
		},
		random: func(rng *rand.Rand, file []byte) edit {
			lines := strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")
			var how []string
			for range 1 + rng.IntN(3) {
				i := rng.IntN(len(lines))
				if len(lines[i]) > 1000 {
					continue // it was changed already
				}
				list := lineSpellings(lines, i)
				s := list[rng.IntN(len(list))]
				how = append(how, s.how)
				lines[i] = s.text
			}
			return edit{strings.Join(how, ", "), "", []byte(strings.Join(lines, "\n") + "\n")}
		},
	}
}
