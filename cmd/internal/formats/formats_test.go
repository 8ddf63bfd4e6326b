package formats

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcutil/base58"
	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/scrypt"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/cmd/internal/online"
	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/csvfile"
	"github.com/airlock-wallet/airlock/wallet/hd"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/payout"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
	"github.com/airlock-wallet/airlock/wallet/ur"
)

// What the examples are about.
const chainID = 1

var (
	built    = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	signedAt = time.Date(2026, 3, 2, 11, 30, 0, 0, time.UTC)

	ether = wallet.Asset{ID: wallet.Coin(chainID), Symbol: "ETH", Decimals: 18}
	usdc  = wallet.Asset{
		ID:     wallet.Token(chainID, common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")),
		Symbol: "USDC", Name: "USD Coin", Decimals: 6,
	}

	customer = common.HexToAddress("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359")
	supplier = common.HexToAddress("0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB")
)

// must returns the first of its arguments, or ends the test.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// master derives the keys of the page's mnemonic.
func master(t *testing.T) *hd.Master {
	t.Helper()
	entropy := must(hd.Entropy([]byte(line(t, "mnemonic"))))(t)
	return must(hd.NewMaster(hd.Seed(must(hd.Mnemonic(entropy))(t), "")))(t)
}

func addressAt(t *testing.T, role wallet.Role, index uint32) common.Address {
	t.Helper()
	return must(master(t).Watch().Address(wallet.Path{Role: role, Index: index}))(t)
}

func TestWatch(t *testing.T) {
	produced := master(t).Watch()
	same(t, "watch", string(must(produced.Encode())(t)))
	same(t, "fingerprint", produced.Fingerprint().Grouped()+"\n")

	w := must(hd.DecodeWatch([]byte(example(t, "watch"))))(t)
	printed := must(hd.ParseFingerprint(line(t, "fingerprint")))(t)
	if w.Fingerprint() != printed {
		t.Errorf("the watch file's keys have the fingerprint %s, the page shows %s", w.Fingerprint(), printed)
	}

	// As the page says it, without the package.
	var file struct {
		Fingerprint string
		Accounts    []struct{ Xpub string }
	}
	if err := json.Unmarshal([]byte(example(t, "watch")), &file); err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for _, a := range file.Accounts {
		h.Write(base58.Decode(a.Xpub)[:78])
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != file.Fingerprint || got != printed.String() {
		t.Errorf("SHA-256 over the keys is %s", got)
	}
}

func TestAddresses(t *testing.T) {
	var produced strings.Builder
	for _, role := range wallet.Roles() {
		fmt.Fprintf(&produced, "%s %s\n", wallet.Path{Role: role}, addressAt(t, role, 0))
	}
	same(t, "addresses", produced.String())

	w := must(hd.DecodeWatch([]byte(example(t, "watch"))))(t)
	for row := range strings.Lines(example(t, "addresses")) {
		path, want, _ := strings.Cut(strings.TrimSpace(row), " ")
		if got := must(w.Address(must(wallet.ParsePath(path))(t)))(t); got.Hex() != want {
			t.Errorf("%s is %s, the page says %s", path, got, want)
		}
	}
}

// ladder is the fees of an item: rungs of them, from 30 gwei on.
func ladder(rungs int) []wallet.Fee {
	list := []wallet.Fee{outgoing.FirstRung(wallet.NewAmount(14_000_000_000), wallet.NewAmount(2_000_000_000))}
	for len(list) < rungs {
		list = append(list, batch.Bump(list[len(list)-1]))
	}
	return list
}

func pays(kind wallet.IntentKind, id string, asset wallet.AssetID, to common.Address, amount wallet.Amount, gas uint64) batch.Item {
	p := outgoing.PayloadOf(asset, to, amount, gas)
	return batch.Item{
		To: p.To, Value: p.Value, Data: p.Data, Gas: p.Gas, Requires: -1,
		Intent: wallet.Intent{Kind: kind, ID: id, Asset: asset, Recipient: to, Amount: amount},
	}
}

func newBatch(t *testing.T, id, kind string, items ...batch.Item) *batch.Batch {
	t.Helper()
	return &batch.Batch{
		Format: batch.Format, Version: batch.Version, ID: id, Kind: kind, ChainID: chainID,
		Vault: master(t).Watch().Fingerprint().String(), CreatedAt: built, ExpiresAt: built.Add(72 * time.Hour),
		Assets: []batch.Asset{
			{Asset: ether.ID, Symbol: ether.Symbol, Decimals: ether.Decimals},
			{Asset: usdc.ID, Symbol: usdc.Symbol, Decimals: usdc.Decimals},
		},
		Items: items,
	}
}

// withdrawals is the batch of the two withdrawals of the CSV example.
func withdrawals(t *testing.T) *batch.Batch {
	t.Helper()
	a := pays(wallet.IntentWithdrawal, "w-1001", ether.ID, customer, must(wallet.ParseDecimal("0.25", ether.Decimals))(t), 31_500)
	b := pays(wallet.IntentWithdrawal, "w-1002", usdc.ID, supplier, must(wallet.ParseDecimal("1500.5", usdc.Decimals))(t), 94_000)
	for n, it := range []*batch.Item{&a, &b} {
		it.Path = wallet.Path{Role: wallet.PayoutRole}
		it.From, it.Nonce, it.Rungs = addressAt(t, it.Path.Role, 0), uint64(7+n), ladder(2)
	}
	above := batch.Bump(b.Rungs[1])
	b.Cancel = &batch.Cancel{Gas: batch.MinGas, MaxFeePerGas: above.MaxFeePerGas, MaxPriorityFeePerGas: above.MaxPriorityFeePerGas}
	return newBatch(t, "5b1f0c9e7d3a42869e0c4417ab52d6f8", batch.Withdrawals, a, b)
}

// sweep is a batch that brings tokens from the first deposit address to the
// treasury, with the gas that this takes.
func sweep(t *testing.T) *batch.Batch {
	t.Helper()
	gas, deposit := wallet.Path{Role: wallet.GasRole}, wallet.Path{Role: wallet.DepositRole}
	treasury := wallet.Path{Role: wallet.TreasuryRole}
	slot := wallet.Slot{ChainID: chainID, Sender: addressAt(t, deposit.Role, 0), Nonce: 0}
	collect := pays(wallet.IntentSweep, slot.IntentID(), usdc.ID, addressAt(t, treasury.Role, 0),
		must(wallet.ParseDecimal("320", usdc.Decimals))(t), 94_000)
	collect.From, collect.Path, collect.Nonce, collect.Rungs = slot.Sender, deposit, slot.Nonce, ladder(1)
	collect.RecipientPath, collect.Requires = treasury.String(), 0

	slot = wallet.Slot{ChainID: chainID, Sender: addressAt(t, gas.Role, 0), Nonce: 3}
	fill := pays(wallet.IntentTopUp, slot.IntentID(), ether.ID, collect.From, collect.WorstFee(), 31_500)
	fill.From, fill.Path, fill.Nonce, fill.Rungs = slot.Sender, gas, slot.Nonce, ladder(1)
	fill.RecipientPath = deposit.String()
	return newBatch(t, "c4e8812f6b0d4d7a9f35e21c08a7b693", batch.Sweep, fill, collect)
}

func TestBatch(t *testing.T) {
	for _, test := range []struct {
		file, digest string
		make         func(*testing.T) *batch.Batch
	}{
		{"batch", "digest", withdrawals},
		{"sweep-batch", "sweep-digest", sweep},
	} {
		produced := test.make(t)
		same(t, test.file, string(must(produced.Encode())(t)))
		same(t, test.digest, must(produced.HexDigest())(t)+"\n")

		b := must(batch.Parse([]byte(example(t, test.file))))(t)
		if got, want := must(b.HexDigest())(t), line(t, test.digest); got != want {
			t.Errorf("%s: digest %s, the page says %s", test.file, got, want)
		}
		// As the page says it, by the canonical form of the text itself.
		canon := jsontext.Value(example(t, test.file))
		if err := canon.Canonicalize(); err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(canon); hex.EncodeToString(sum[:]) != line(t, test.digest) {
			t.Errorf("%s: SHA-256 of the text's canonical form is %x", test.file, sum)
		}
	}
}

func TestSignedBatch(t *testing.T) {
	b := must(batch.Parse([]byte(example(t, "batch"))))(t)
	service := &signer.Service{
		Record: must(bolt.Create(t.Context(), filepath.Join(t.TempDir(), signer.RecordFile)))(t),
		Policy: must(policy.Parse([]byte(example(t, "policy"))))(t),
		Now:    func() time.Time { return signedAt },
	}
	v := openVault(t)
	lost := signer.Risks{signer.RiskRecordRestored: true} // nonces before those of the page were used elsewhere
	produced := must(service.Sign(t.Context(), b, v.Own(), lost))(t)
	same(t, "signed-batch", string(must(produced.Encode())(t)))

	s := must(batch.ParseSigned([]byte(example(t, "signed-batch"))))(t)
	if err := s.Verify(); err != nil {
		t.Error(err)
	}
	if s.Digest != line(t, "digest") {
		t.Errorf("the signed batch has the digest %s", s.Digest)
	}
	if sum := sha256.Sum256([]byte(example(t, "policy"))); s.PolicyHash != hex.EncodeToString(sum[:]) {
		t.Errorf("the policy's hash is %x, the signed batch says %s", sum, s.PolicyHash)
	}
	// A second batch on the same record must carry on from the head that the
	// page shows.
	again := sweep(t)
	again.RecordHead = s.RecordHead
	if _, err := service.Sign(t.Context(), again, v.Own(), lost); err != nil {
		t.Errorf("a batch that saw the head of the page's signed batch: %v", err)
	}

	// As the page says it, without the package.
	var file struct {
		Batch        struct{ Items []struct{ From string } }
		Transactions [][]struct{ Hash, Raw string }
	}
	if err := json.Unmarshal([]byte(example(t, "signed-batch")), &file); err != nil {
		t.Fatal(err)
	}
	checked := 0
	for i, rungs := range file.Transactions {
		for _, r := range rungs {
			raw := common.FromHex(r.Raw)
			tx := new(types.Transaction)
			if err := tx.UnmarshalBinary(raw); err != nil {
				t.Fatal(err)
			}
			from := must(types.Sender(types.NewLondonSigner(big.NewInt(chainID)), tx))(t)
			if from.Hex() != file.Batch.Items[i].From || crypto.Keccak256Hash(raw).Hex() != r.Hash {
				t.Errorf("item %d: signed by %s with the hash %s", i, from, crypto.Keccak256Hash(raw))
			}
			checked++
		}
	}
	if checked != 5 {
		t.Errorf("%d signatures, want those of two items with two rungs, and of a cancel", checked)
	}
}

// TestSignedBatchEdited proves that no digit of the page's signed batch can be
// another: neither of the batch nor of a signature.
func TestSignedBatchEdited(t *testing.T) {
	text := example(t, "signed-batch")
	// The policy, the record and the clock are the signing station's to vouch for.
	from, to := strings.Index(text, `"policy_hash"`), strings.Index(text, `"transactions"`)
	edited := 0
	for i := 0; i < len(text); i += 7 {
		if text[i] < '0' || text[i] > '9' || from < i && i < to {
			continue
		}
		changed := []byte(text)
		changed[i] = '0' + (text[i]-'0'+1)%10
		s, err := batch.ParseSigned(changed)
		if err == nil {
			err = s.Verify()
		}
		if !errors.Is(err, wallet.ErrRefused) {
			t.Errorf("byte %d can be %c: %v\n%s", i, changed[i], err, changed[max(0, i-60):i+1])
		}
		edited++
	}
	if edited < 100 {
		t.Errorf("only %d digits were edited", edited)
	}
}

// openVault opens the vault of the page with its passphrase. With -update it
// is made anew unless it opens.
func openVault(t *testing.T) *vault.Vault {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault.json")
	pass := []byte(line(t, "passphrase"))
	if err := os.WriteFile(path, []byte(example(t, "vault")), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(path, pass)
	if err != nil && *update {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		must(vault.Create(path, []byte(line(t, "mnemonic")), pass, vault.LightKDF))(t)
		write(t, "vault", string(must(os.ReadFile(path))(t)))
		v, err = vault.Open(path, pass)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func TestVault(t *testing.T) {
	if got, want := openVault(t).Fingerprint(), master(t).Watch().Fingerprint(); got != want {
		t.Errorf("the vault has the fingerprint %s, the mnemonic %s", got, want)
	}

	// As the page says it, without the package.
	var file struct {
		Kdf struct {
			N, R, P int
			Salt    string
		}
		Cipher     struct{ Nonce string }
		Ciphertext []byte
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(example(t, "vault"))); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(compact.Bytes(), &file); err != nil {
		t.Fatal(err)
	}
	data := regexp.MustCompile(`,"ciphertext":"[^"]*"`).ReplaceAll(compact.Bytes(), nil)
	key := must(scrypt.Key([]byte(line(t, "passphrase")), must(hex.DecodeString(file.Kdf.Salt))(t), file.Kdf.N, file.Kdf.R, file.Kdf.P, 32))(t)
	aead := must(chacha20poly1305.NewX(key))(t)
	plain := must(aead.Open(nil, must(hex.DecodeString(file.Cipher.Nonce))(t), file.Ciphertext, data))(t)
	want := fmt.Sprintf(`{"entropies":["%x"],"imported":[]}`, must(hd.Entropy([]byte(line(t, "mnemonic"))))(t))
	if string(plain) != want {
		t.Errorf("the vault holds %s, want %s", plain, want)
	}
}

func TestKeystore(t *testing.T) {
	v := openVault(t)
	pass, path := line(t, "passphrase"), wallet.Path{Role: wallet.GasRole}
	want := addressAt(t, path.Role, 0)
	if *update && len(example(t, "keystore")) == 0 {
		var out bytes.Buffer
		if err := json.Indent(&out, must(v.Own().ExportKeystore(path, want, []byte(pass), true))(t), "", "  "); err != nil {
			t.Fatal(err)
		}
		write(t, "keystore", out.String()+"\n")
	}
	file := []byte(example(t, "keystore"))
	if got := must(v.ImportKeystore(file, []byte(pass)))(t); got != want {
		t.Errorf("imported %s, want %s", got, want)
	}
	if key := must(keystore.DecryptKey(file, pass))(t); key.Address != want {
		t.Errorf("geth reads %s, want %s", key.Address, want)
	}
}

func TestPolicy(t *testing.T) {
	p := must(policy.Parse([]byte(example(t, "policy"))))(t)
	seen := map[common.Address]time.Time{customer: built.Add(-48 * time.Hour), supplier: built}
	if got := p.Evaluate(withdrawals(t), policy.Context{Now: signedAt, Since: seen}); len(got) != 1 || got[0].Rule != "recipients_delay" || got[0].Item != 1 {
		t.Errorf("of a recipient that is too new it says %v", got)
	}
	seen[supplier] = seen[customer]
	if got := p.Evaluate(withdrawals(t), policy.Context{Now: signedAt, Since: seen}); len(got) > 0 {
		t.Errorf("it forbids the page's batch: %v", got)
	}
	// No key can be misspelled, nor left out unless it asks for more approvals;
	// the rest of a list would stand without its key.
	text := example(t, "policy")
	for row := range strings.Lines(text) {
		key, _, ok := strings.Cut(row, " = ")
		if !ok {
			continue
		}
		if _, err := policy.Parse([]byte(strings.Replace(text, row, "x"+row, 1))); err == nil {
			t.Errorf("x%s is taken for a key", key)
		}
		if _, err := policy.Parse([]byte(strings.Replace(text, row, "", 1))); err == nil && !strings.HasPrefix(row, "approvals = [") {
			t.Errorf("%s can be left out", key)
		}
	}
}

func TestConfig(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "config.toml"), []byte(example(t, "config")), 0o600); err != nil {
		t.Fatal(err)
	}
	env, _, _ := cli.Test(home)
	c := must((&online.Station{Env: env}).Config())(t)
	want := []online.ChainConfig{
		{ID: 1, RPC: []string{"https://node-a.example/KEY", "wss://node-b.example"}},
		{ID: 8453, RPC: []string{"https://base.example"}, Tracing: new(bool)},
		{ID: 42161, RPC: []string{"https://arbitrum-a.example", "https://arbitrum-b.example"}, Unproven: true},
	}
	if !reflect.DeepEqual(c.Chains, want) {
		t.Errorf("read %v, want %v", c.Chains, want)
	}
}

// newHome is the store of an online station with the page's chain and token,
// whose customer alice has one ether.
func newHome(t *testing.T) store.DB {
	t.Helper()
	db := must(bolt.Create(t.Context(), filepath.Join(t.TempDir(), "airlock.db")))(t)
	b := &book.Book{DB: db, Now: func() time.Time { return built }}
	chain := wallet.Chain{ID: chainID, Coin: ether, Finality: wallet.Finality{Tag: "finalized"}, AddedAt: built}
	if err := b.AddChain(t.Context(), chain); err != nil {
		t.Fatal(err)
	}
	tokens, others, err := book.ParseTokenList([]byte(example(t, "token-list")), chainID)
	if err != nil || others != 0 || len(tokens) != 1 || tokens[0] != usdc {
		t.Fatalf("token list: %v, %d others, %v", tokens, others, err)
	}
	must(b.AddTokens(t.Context(), chainID, tokens, false))(t)
	must(b.Credit(t.Context(), book.Transfer{ID: "c-1", To: "alice", Asset: ether.ID, Amount: must(wallet.ParseDecimal("1", ether.Decimals))(t)}))(t)
	return db
}

func TestCSV(t *testing.T) {
	db := newHome(t)
	s := &payout.Service{DB: db, Chain: chainID, Now: func() time.Time { return built }}
	for n, want := range []payout.Imported{{Rows: 2, New: 2}, {Rows: 2, Known: 2}} {
		if got := must(s.Import(t.Context(), "page.csv", strings.NewReader(example(t, "csv"))))(t); got != want {
			t.Errorf("import %d: %+v, want %+v", n+1, got, want)
		}
	}
	for _, it := range must(batch.Parse([]byte(example(t, "batch"))))(t).Items {
		w := must(s.Show(t.Context(), it.Intent.ID))(t)
		if w.Asset != it.Intent.Asset || w.To != it.Intent.Recipient.Hex() || w.Amount.Cmp(it.Intent.Amount) != 0 {
			t.Errorf("the file asks for %+v, the batch pays %+v", w, it.Intent)
		}
	}
	for _, column := range []string{"id", "account", "asset", "amount", "to", "memo"} {
		file := strings.Replace(example(t, "csv"), column, column+"s", 1)
		if _, err := s.Import(t.Context(), "page.csv", strings.NewReader(file)); !errors.Is(err, wallet.ErrUsage) {
			t.Errorf("a column %ss: %v", column, err)
		}
	}
}

func TestValues(t *testing.T) {
	const typed = "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"
	text := example(t, "batch")
	// in puts another value for one that stands in the page's batch.
	in := func(old, value string) error {
		_, err := batch.Parse([]byte(strings.ReplaceAll(text, old, value)))
		return err
	}
	read := map[string]func(string) error{
		"asset":         func(s string) error { _, err := wallet.ParseAssetID(s); return err },
		"amount":        func(s string) error { _, err := wallet.ParseAmount(s); return err },
		"decimal":       func(s string) error { _, err := wallet.ParseDecimal(s, ether.Decimals); return err },
		"typed-address": func(s string) error { _, err := wallet.ParseAddress(s); return err },
		"path":          func(s string) error { _, err := wallet.ParsePath(s); return err },
		"file-address":  func(s string) error { return in(typed, s) },
		"time":          func(s string) error { return in(built.Format(time.RFC3339), s) },
	}
	seen := map[string]map[string]int{}
	for row := range strings.Lines(example(t, "values")) {
		kind, rest, _ := strings.Cut(row, " ")
		verdict, value, _ := strings.Cut(strings.TrimSpace(rest), " ")
		value = strings.TrimSpace(value)
		f, ok := read[kind]
		if !ok || verdict != "yes" && verdict != "no" {
			t.Fatalf("values: %q cannot be read", row)
		}
		if err := f(value); (err == nil) != (verdict == "yes") {
			t.Errorf("%s %s: the page says %s, the code %v", kind, value, verdict, err)
		}
		if seen[kind] == nil {
			seen[kind] = map[string]int{}
		}
		seen[kind][verdict]++
	}
	for kind := range read {
		if seen[kind]["yes"] == 0 || seen[kind]["no"] == 0 {
			t.Errorf("values: want a %s that is taken and one that is not", kind)
		}
	}
}

func TestLimits(t *testing.T) {
	var out strings.Builder
	for _, l := range []struct {
		name  string
		bound uint64
	}{
		{"batch_items", batch.MaxItems},
		{"batch_rungs", batch.MaxRungs},
		{"batch_approvals", batch.MaxApprovals},
		{"batch_requesters", batch.MaxRequesters},
		{"batch_size", batch.MaxSize},
		{"signed_batch_size", batch.MaxSignedSize},
		{"gas_least", batch.MinGas},
		{"gas_most", batch.MaxGas},
		{"nonce_most", batch.MaxNonce},
		{"decimals", wallet.MaxDecimals},
		{"watch_size", hd.MaxWatchSize},
		{"qr_message_size", ur.MaxMessage},
		{"qr_parts", ur.MaxParts},
		{"qr_file_size", ur.MaxFile},
		{"csv_size", csvfile.MaxSize},
		{"csv_rows", csvfile.MaxRows},
		{"token_list_size", book.MaxTokenList},
	} {
		fmt.Fprintf(&out, "%-20s %d\n", l.name, l.bound)
	}
	same(t, "limits", out.String())
}
