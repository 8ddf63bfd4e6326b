package batch

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
)

var (
	usdc = common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
	coin = wallet.Coin(1)
	usd  = wallet.Token(1, usdc)

	payoutKey  = testKey(1)
	gasKey     = testKey(2)
	depositKey = testKey(3)
)

func testKey(n byte) *ecdsa.PrivateKey {
	key, err := crypto.ToECDSA(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		panic(err)
	}
	return key
}

func addressOf(key *ecdsa.PrivateKey) common.Address { return crypto.PubkeyToAddress(key.PublicKey) }

func gwei(n int64) wallet.Amount { return wallet.NewAmount(n * 1e9) }

func ladder(rungs int) []wallet.Fee {
	fees := []wallet.Fee{{MaxFeePerGas: gwei(42), MaxPriorityFeePerGas: gwei(2)}}
	for len(fees) < rungs {
		fees = append(fees, Bump(fees[len(fees)-1]))
	}
	return fees
}

func head(kind string) Batch {
	return Batch{
		Format: Format, Version: Version, ID: strings.Repeat("ab", 16), Kind: kind, ChainID: 1,
		Vault:     strings.Repeat("0f", 32),
		CreatedAt: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
		ExpiresAt: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		Assets:    []Asset{{coin, "ETH", 18}, {usd, "USDC", 6}},
	}
}

// withdrawals is a batch that pays ether and a token.
func withdrawals() *Batch {
	b := head(Withdrawals)
	from, path := addressOf(payoutKey), wallet.Path{Role: wallet.PayoutRole}
	to1, to2 := common.HexToAddress("0x00000000219ab540356cBB839Cbe05303d7705Fa"), common.HexToAddress("0xdAC17F958D2ee523a2206206994597C13D831ec7")
	b.Items = []Item{
		{
			From: from, Path: path, Nonce: 7, To: to1, Value: wallet.NewAmount(1500), Gas: 31500, Rungs: ladder(3), Requires: -1,
			Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: "w-1", Asset: coin, Recipient: to1, Amount: wallet.NewAmount(1500)},
		},
		{
			From: from, Path: path, Nonce: 9, To: usdc, Data: TransferData(to2, wallet.NewAmount(250_000)), Gas: 90_000, Rungs: ladder(2), Requires: -1,
			Intent: wallet.Intent{Kind: wallet.IntentWithdrawal, ID: "w-2", Asset: usd, Recipient: to2, Amount: wallet.NewAmount(250_000)},
		},
	}
	return &b
}

// sweeps is a batch with a top-up, the token sweep that waits for it, and a
// sweep of ether to a pinned treasury.
func sweeps() *Batch {
	b := head(Sweep)
	treasury := addressOf(testKey(9))
	deposit, other := addressOf(depositKey), addressOf(testKey(4))
	b.Items = []Item{
		{
			From: addressOf(gasKey), Path: wallet.Path{Role: wallet.GasRole}, Nonce: 0, To: deposit, Value: gwei(5), Gas: 21000, Rungs: ladder(1), Requires: -1,
			RecipientPath: "m/44'/60'/0'/0/5",
			Intent:        wallet.Intent{Kind: wallet.IntentTopUp, ID: "1:gas:0", Asset: coin, Recipient: deposit, Amount: gwei(5)},
		},
		{
			From: deposit, Path: wallet.Path{Role: wallet.DepositRole, Index: 5}, Nonce: 0, To: usdc, Data: TransferData(treasury, gwei(1)), Gas: 90_000, Rungs: ladder(2), Requires: 0,
			RecipientPath: "m/44'/60'/3'/0/0",
			Intent:        wallet.Intent{Kind: wallet.IntentSweep, ID: "1:deposit:0", Asset: usd, Recipient: treasury, Amount: gwei(1)},
		},
		{
			From: other, Path: wallet.Path{Role: wallet.DepositRole, Index: 6}, Nonce: 3, To: treasury, Value: gwei(8), Gas: 21000, Rungs: ladder(2), Requires: -1,
			Intent: wallet.Intent{Kind: wallet.IntentSweep, ID: "1:other:3", Asset: coin, Recipient: treasury, Amount: gwei(8)},
		},
	}
	return &b
}

// rebalances is a batch that moves ether from the payout address to a pinned
// treasury and from the gas address into the vault's, cancels what was signed
// for a deposit address, and takes a nonce of the payout address.
func rebalances() *Batch {
	b := head(Rebalance)
	b.Assets = b.Assets[:1]
	payout, gas, deposit, treasury := addressOf(payoutKey), addressOf(gasKey), addressOf(depositKey), addressOf(testKey(9))
	move := func(kind wallet.IntentKind, role wallet.Role, from common.Address, nonce uint64, to common.Address, amount wallet.Amount) Item {
		return Item{
			From: from, Path: wallet.Path{Role: role}, Nonce: nonce, To: to, Value: amount, Gas: 21000, Rungs: ladder(2), Requires: -1,
			Intent: wallet.Intent{Kind: kind, ID: fmt.Sprintf("1:%s:%d", from, nonce), Asset: coin, Recipient: to, Amount: amount},
		}
	}
	b.Items = []Item{
		move(wallet.IntentRebalance, wallet.PayoutRole, payout, 7, treasury, gwei(5)),
		move(wallet.IntentRebalance, wallet.GasRole, gas, 0, treasury, gwei(1)),
		move(wallet.IntentCancel, wallet.DepositRole, deposit, 3, deposit, wallet.Amount{}),
		move(wallet.IntentNoOp, wallet.PayoutRole, payout, 8, payout, wallet.Amount{}),
	}
	b.Items[1].RecipientPath = "m/44'/60'/3'/0/0"
	b.Items[2].Replaces = wallet.IntentName{Kind: wallet.IntentSweep, ID: "1:deposit:3"}
	return &b
}

// sign signs every rung of b with the payout key.
func sign(t testing.TB, b *Batch) *Signed {
	t.Helper()
	digest, err := b.HexDigest()
	if err != nil {
		t.Fatal(err)
	}
	s := &Signed{
		Format: SignedFormat, Version: Version, Batch: *b, Digest: digest, PolicyHash: strings.Repeat("12", 32),
		RecordHead: strings.Repeat("34", 32), SignedAt: b.CreatedAt.Add(time.Hour),
	}
	signer := types.LatestSignerForChainID(new(big.Int).SetUint64(b.ChainID))
	for i := range b.Items {
		var rungs []wallet.SignedRung
		for r := range b.Items[i].Signatures() {
			tx, err := types.SignTx(b.Items[i].Transaction(b.ChainID, r), signer, payoutKey)
			if err != nil {
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
	return s
}

func encoded(t testing.TB, v interface{ Encode() ([]byte, error) }) []byte {
	t.Helper()
	file, err := v.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func digestOf(t testing.TB, b *Batch) string {
	t.Helper()
	d, err := b.HexDigest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRoundTrip(t *testing.T) {
	for name, b := range map[string]*Batch{"withdrawals": withdrawals(), "sweeps": sweeps()} {
		t.Run(name, func(t *testing.T) {
			file := encoded(t, b)
			back, err := Parse(file)
			if err != nil {
				t.Fatal(err)
			}
			if again := encoded(t, back); !bytes.Equal(again, file) {
				t.Errorf("encoded again:\n%s\nwant\n%s", again, file)
			}
			if got, want := digestOf(t, back), digestOf(t, b); got != want {
				t.Errorf("digest %s, want %s", got, want)
			}
		})
	}
}

// The digest is what approvers sign, so approvals cannot be part of it; and
// it is what operators wrote down, so it can never change for a given batch.
func TestDigest(t *testing.T) {
	b := withdrawals()
	const want = "e25456a039ce259eb09148ead678e4e3f5a7cdf6668752eda9f4e3b5ba6041db" // also computed with another JSON library
	if got := digestOf(t, b); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	b.Approvals = []Approval{{Approver: addressOf(testKey(5)), Signature: make([]byte, 65)}}
	if got := digestOf(t, b); got != want {
		t.Errorf("digest with an approval %s, want %s", got, want)
	}
	back, err := Parse(encoded(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if len(back.Approvals) != 1 || digestOf(t, back) != want {
		t.Errorf("read back: %d approvals, digest %s", len(back.Approvals), digestOf(t, back))
	}
}

// The canonical form that is written directly is the one that the library
// makes of the encoded batch.
func TestCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Uint64()
		word := func(name string) string { return rapid.String().Draw(t, name) }
		address := func(name string) common.Address {
			return common.BytesToAddress(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, name))
		}
		amount := func(name string) wallet.Amount {
			return wallet.AmountOf(new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, name)))
		}
		when := func(name string) time.Time {
			return time.Unix(rapid.Int64Range(0, 1<<37).Draw(t, name), 0).UTC()
		}
		b := &Batch{
			Format: word("format"), Version: rapid.Int().Draw(t, "version"), ID: word("id"), Kind: word("kind"),
			ChainID: number.Draw(t, "chain"), Vault: word("vault"), CreatedAt: when("created"), ExpiresAt: when("expires"), RecordHead: word("head"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "assets") {
			b.Assets = append(b.Assets, Asset{wallet.Token(number.Draw(t, "asset chain"), address("contract")), word("symbol"), rapid.Uint8().Draw(t, "decimals")})
		}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			it := Item{
				From: address("from"), Path: wallet.Path{Role: wallet.GasRole, Index: rapid.Uint32Max(wallet.MaxIndex).Draw(t, "index")},
				Nonce: number.Draw(t, "nonce"), To: address("to"), Value: amount("value"), Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
				Gas: number.Draw(t, "gas"), RecipientPath: word("recipient path"), Requires: rapid.Int().Draw(t, "requires"),
				Intent: wallet.Intent{Kind: wallet.IntentKind(word("intent")), ID: word("intent id"), Asset: wallet.Coin(number.Draw(t, "coin")), Recipient: address("recipient"), Amount: amount("amount")},
			}
			for range rapid.IntRange(0, 3).Draw(t, "rungs") {
				it.Rungs = append(it.Rungs, wallet.Fee{MaxFeePerGas: amount("fee"), MaxPriorityFeePerGas: amount("tip")})
			}
			if rapid.Bool().Draw(t, "replaces") {
				it.Replaces = wallet.IntentName{Kind: wallet.IntentKind(word("replaced")), ID: word("replaced id")}
			}
			if rapid.Bool().Draw(t, "cancel") {
				it.Cancel = &Cancel{Gas: number.Draw(t, "cancel gas"), MaxFeePerGas: amount("cancel fee"), MaxPriorityFeePerGas: amount("cancel tip")}
			}
			for range rapid.IntRange(0, 2).Draw(t, "requesters") {
				it.RequestedBy = append(it.RequestedBy, wallet.Requester{Requester: address("requester"), Signature: rapid.SliceOf(rapid.Byte()).Draw(t, "request signature")})
			}
			b.Items = append(b.Items, it)
		}
		for range rapid.IntRange(0, 2).Draw(t, "approvals") {
			b.Approvals = append(b.Approvals, Approval{address("approver"), rapid.SliceOf(rapid.Byte()).Draw(t, "signature")})
		}
		// Texts that cannot be written in JSON are refused by both.
		want, wantErr := canonical(b)
		got, err := canonicalBatch(b, true)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, the library's %v", err, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("canonical form\n%s\nthe library's\n%s", got, want)
		}
	})
}

// Spellings that another reader, such as encoding/json, would take for the
// same or for something else.
func TestParseRefuses(t *testing.T) {
	file := string(encoded(t, withdrawals()))
	replace := func(old, new string) string {
		if !strings.Contains(file, old) {
			t.Fatalf("the file has no %s", old)
		}
		return strings.Replace(file, old, new, 1)
	}
	tests := map[string]struct{ file, want string }{
		"empty":                  {"", "ends too early"},
		"cut":                    {file[:len(file)/2], "ends too early"},
		"two values":             {file + file, "not valid JSON"},
		"not JSON":               {"hello", "not valid JSON"},
		"an array":               {"[]", "cannot be read"},
		"null":                   {"null", "no JSON object"},
		"duplicate key":          {replace(`"nonce": "7"`, `"nonce": "7", "nonce": "7"`), "stands twice"},
		"other duplicate":        {replace(`"nonce": "7"`, `"nonce": "7", "nonce": "8"`), "stands twice"},
		"escaped duplicate":      {replace(`"nonce": "7"`, `"nonce": "7", "\u006eonce": "8"`), "stands twice"},
		"upper-case key":         {replace(`"nonce"`, `"NONCE"`), "does not have"},
		"upper-case beside":      {replace(`"value": "1500"`, `"value": "1500", "VALUE": "9"`), "does not have"},
		"unknown key":            {replace(`"nonce": "7"`, `"nonce": "7", "comment": ""`), "does not have"},
		"missing key":            {replace(`"nonce": "7",`, ``), "missing"},
		"missing record head":    {replace(`"record_head": "",`, ``), "missing"},
		"number for string":      {replace(`"nonce": "7"`, `"nonce": 7`), "/items/0/nonce"},
		"leading zero":           {replace(`"nonce": "7"`, `"nonce": "07"`), "/items/0/nonce"},
		"plus":                   {replace(`"nonce": "7"`, `"nonce": "+7"`), "/items/0/nonce"},
		"hex number":             {replace(`"nonce": "7"`, `"nonce": "0x7"`), "/items/0/nonce"},
		"exponent":               {replace(`"value": "1500"`, `"value": "15e2"`), "/items/0/value"},
		"fraction":               {replace(`"value": "1500"`, `"value": "1500.0"`), "/items/0/value"},
		"space":                  {replace(`"value": "1500"`, `"value": "1500 "`), "/items/0/value"},
		"null amount":            {replace(`"value": "1500"`, `"value": null`), "/items/0/value"},
		"null data":              {replace(`"data": "0x"`, `"data": null`), "/items/0/data"},
		"upper-case hex":         {replace(`0xa9059cbb`, `0xA9059CBB`), "/items/1/data"},
		"odd hex":                {replace(`"data": "0x"`, `"data": "0x0"`), "/items/0/data"},
		"lower-case address":     {replace(addressOf(payoutKey).Hex(), strings.ToLower(addressOf(payoutKey).Hex())), "EIP-55"},
		"wrong checksum":         {replace("219ab540356cBB", "219ab540356cbb"), "checksum"},
		"lower-case contract":    {replace("erc20:"+usdc.Hex(), "erc20:"+strings.ToLower(usdc.Hex())), "/assets/1/asset"},
		"another zone":           {replace("2026-03-01T09:00:00Z", "2026-03-01T10:00:00+01:00"), "/created_at"},
		"fraction of a second":   {replace("2026-03-01T09:00:00Z", "2026-03-01T09:00:00.0Z"), "/created_at"},
		"date only":              {replace("2026-03-01T09:00:00Z", "2026-03-01"), "/created_at"},
		"empty approvals":        {replace(`"record_head"`, `"approvals": [], "record_head"`), "/approvals"},
		"another format":         {replace(Format, "airlock-watch"), "format"},
		"a later version":        {replace(`"version": "1"`, `"version": "2"`), "version"},
		"version as a number":    {replace(`"version": "1"`, `"version": 1`), "version"},
		"path in another form":   {replace("m/44'/60'/1'/0/0", "m/44h/60h/1h/0/0"), "/items/0/path"},
		"invalid UTF-8":          {replace(`"w-1"`, "\"w-\xff\""), "not valid JSON"},
		"trailing comma":         {replace(`"requires": "-1"`, `"requires": "-1",`), "not valid JSON"},
		"comment":                {"// hi\n" + file, "not valid JSON"},
		"bom":                    {"\ufeff" + file, "not valid JSON"},
		"too many rungs in text": {replace(`"rungs": [`, `"rungs": {`), "not valid JSON"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := Parse([]byte(test.file))
			var refusal *Error
			if b != nil || !errors.Is(err, wallet.ErrRefused) || !errors.As(err, &refusal) {
				t.Fatalf("Parse = %v, %v, want a refusal", b, err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q, want it to say %q", err, test.want)
			}
			if wallet.Hint(err) == "" {
				t.Errorf("error %q names no way out", err)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	other := common.HexToAddress("0x1111111111111111111111111111111111111111")
	tests := map[string]struct {
		make  func() *Batch
		harm  func(b *Batch)
		item  int
		field string
	}{
		"format":               {withdrawals, func(b *Batch) { b.Format = SignedFormat }, -1, "/format"},
		"version":              {withdrawals, func(b *Batch) { b.Version = 2 }, -1, "/version"},
		"id":                   {withdrawals, func(b *Batch) { b.ID = "AB" + b.ID[2:] }, -1, "/id"},
		"kind":                 {withdrawals, func(b *Batch) { b.Kind = "payments" }, -1, "/kind"},
		"no chain":             {withdrawals, func(b *Batch) { b.ChainID = 0 }, -1, "/chain_id"},
		"vault":                {withdrawals, func(b *Batch) { b.Vault = "" }, -1, "/vault"},
		"record head":          {withdrawals, func(b *Batch) { b.RecordHead = "00" }, -1, "/record_head"},
		"expiry":               {withdrawals, func(b *Batch) { b.ExpiresAt = b.CreatedAt }, -1, "/expires_at"},
		"fraction of a second": {withdrawals, func(b *Batch) { b.CreatedAt = b.CreatedAt.Add(1) }, -1, "/created_at"},
		"no items":             {withdrawals, func(b *Batch) { b.Items = nil }, -1, "/items"},
		"too many items":       {withdrawals, func(b *Batch) { b.Items = make([]Item, MaxItems+1) }, -1, "/items"},
		"other chain":          {withdrawals, func(b *Batch) { b.ChainID = 5 }, -1, "/assets/0/asset"},
		"asset twice":          {withdrawals, func(b *Batch) { b.Assets[1] = b.Assets[0] }, -1, "/assets/1/asset"},
		"asset unused":         {withdrawals, func(b *Batch) { b.Items = b.Items[:1] }, -1, "/assets/1/asset"},
		"asset unnamed":        {withdrawals, func(b *Batch) { b.Assets = b.Assets[:1] }, 1, "/items/1/intent/asset"},
		"symbol empty":         {withdrawals, func(b *Batch) { b.Assets[1].Symbol = "" }, -1, "/assets/1/symbol"},
		"symbol long":          {withdrawals, func(b *Batch) { b.Assets[1].Symbol = strings.Repeat("x", 33) }, -1, "/assets/1/symbol"},
		"symbol bidi":          {withdrawals, func(b *Batch) { b.Assets[1].Symbol = "US\u202eDC" }, -1, "/assets/1/symbol"},
		"symbol control":       {withdrawals, func(b *Batch) { b.Assets[1].Symbol = "US\x1b[2J" }, -1, "/assets/1/symbol"},
		"symbol space":         {withdrawals, func(b *Batch) { b.Assets[1].Symbol = "USDC " }, -1, "/assets/1/symbol"},
		"decimals":             {withdrawals, func(b *Batch) { b.Assets[1].Decimals = 78 }, -1, "/assets/1/decimals"},
		"coin's decimals":      {withdrawals, func(b *Batch) { b.Assets[0].Decimals = 6 }, -1, "/assets/0/decimals"},

		"zero sender":        {withdrawals, func(b *Batch) { b.Items[0].From = common.Address{} }, 0, "/items/0/from"},
		"nonce repeated":     {withdrawals, func(b *Batch) { b.Items[1].Nonce = 7 }, 1, "/items/1/nonce"},
		"nonce falls":        {withdrawals, func(b *Batch) { b.Items[1].Nonce = 6 }, 1, "/items/1/nonce"},
		"nonce too high":     {withdrawals, func(b *Batch) { b.Items[1].Nonce = 1<<64 - 1 }, 1, "/items/1/nonce"},
		"two senders a path": {withdrawals, func(b *Batch) { b.Items[1].From = other }, 1, "/items/1/path"},
		"gas too low":        {withdrawals, func(b *Batch) { b.Items[0].Gas = 20_999 }, 0, "/items/0/gas"},
		"gas too high":       {withdrawals, func(b *Batch) { b.Items[0].Gas = MaxGas + 1 }, 0, "/items/0/gas"},
		"zero amount":        {withdrawals, func(b *Batch) { b.Items[0].Value, b.Items[0].Intent.Amount = wallet.Amount{}, wallet.Amount{} }, 0, "/items/0/intent/amount"},
		"negative amount":    {withdrawals, func(b *Batch) { b.Items[0].Intent.Amount = wallet.NewAmount(-1) }, 0, "/items/0/intent/amount"},
		"zero recipient":     {withdrawals, func(b *Batch) { b.Items[0].To, b.Items[0].Intent.Recipient = common.Address{}, common.Address{} }, 0, "/items/0/intent/recipient"},
		"pays itself":        {withdrawals, func(b *Batch) { b.Items[0].To, b.Items[0].Intent.Recipient = b.Items[0].From, b.Items[0].From }, 0, "/items/0/intent/recipient"},
		"pays the contract": {withdrawals, func(b *Batch) {
			b.Items[1].Intent.Recipient = usdc
			b.Items[1].Data = TransferData(usdc, b.Items[1].Intent.Amount)
		}, 1, "/items/1/intent/recipient"},
		"ether to a contract":  {withdrawals, func(b *Batch) { b.Items[0].To, b.Items[0].Intent.Recipient = usdc, usdc }, 0, "/items/0/intent/recipient"},
		"to of the coin":       {withdrawals, func(b *Batch) { b.Items[0].To = other }, 0, "/items/0/to"},
		"value of the coin":    {withdrawals, func(b *Batch) { b.Items[0].Value = wallet.NewAmount(1501) }, 0, "/items/0/value"},
		"data with the coin":   {withdrawals, func(b *Batch) { b.Items[0].Data = []byte{1} }, 0, "/items/0/data"},
		"to of the token":      {withdrawals, func(b *Batch) { b.Items[1].To = other }, 1, "/items/1/to"},
		"value with the token": {withdrawals, func(b *Batch) { b.Items[1].Value = wallet.NewAmount(1) }, 1, "/items/1/value"},
		"no data":              {withdrawals, func(b *Batch) { b.Items[1].Data = nil }, 1, "/items/1/data"},
		"approve":              {withdrawals, func(b *Batch) { copy(b.Items[1].Data, common.FromHex("0x095ea7b3")) }, 1, "/items/1/data"},
		"transfer to another":  {withdrawals, func(b *Batch) { b.Items[1].Data = TransferData(other, b.Items[1].Intent.Amount) }, 1, "/items/1/data"},
		"transfer of more":     {withdrawals, func(b *Batch) { b.Items[1].Data = TransferData(b.Items[1].Intent.Recipient, wallet.NewAmount(250_001)) }, 1, "/items/1/data"},
		"dirty address word":   {withdrawals, func(b *Batch) { b.Items[1].Data[4] = 1 }, 1, "/items/1/data"},
		"data after the call":  {withdrawals, func(b *Batch) { b.Items[1].Data = append(b.Items[1].Data, 0) }, 1, "/items/1/data"},
		"same withdrawal":      {withdrawals, func(b *Batch) { b.Items[1].Intent.ID = "w-1" }, 1, "/items/1/intent/id"},
		"no id":                {withdrawals, func(b *Batch) { b.Items[1].Intent.ID = "" }, 1, "/items/1/intent/id"},
		"id with control":      {withdrawals, func(b *Batch) { b.Items[1].Intent.ID = "w\n2" }, 1, "/items/1/intent/id"},
		"from a deposit":       {withdrawals, func(b *Batch) { b.Items[0].Path.Role = wallet.DepositRole }, 0, "/items/0/path"},
		"imported":             {withdrawals, func(b *Batch) { b.Items[0].Path = wallet.Path{Role: wallet.ExternalRole, Imported: true} }, 0, "/items/0/path"},
		"recipient path":       {withdrawals, func(b *Batch) { b.Items[0].RecipientPath = "m/44'/60'/3'/0/0" }, 0, "/items/0/recipient_path"},
		"withdrawal waits":     {withdrawals, func(b *Batch) { b.Items[1].Requires = 0 }, 1, "/items/1/requires"},
		"sweep as withdrawal":  {withdrawals, func(b *Batch) { b.Items[0].Intent.Kind = wallet.IntentSweep }, 0, "/items/0/intent/kind"},
		"unknown intent":       {withdrawals, func(b *Batch) { b.Items[0].Intent.Kind = "gift" }, 0, "/items/0/intent/kind"},

		"no rungs":       {withdrawals, func(b *Batch) { b.Items[0].Rungs = nil }, 0, "/items/0/rungs"},
		"too many rungs": {withdrawals, func(b *Batch) { b.Items[0].Rungs = ladder(MaxRungs + 1) }, 0, "/items/0/rungs"},
		"no fee":         {withdrawals, func(b *Batch) { b.Items[0].Rungs[0] = wallet.Fee{} }, 0, "/items/0/rungs/0/max_fee_per_gas"},
		"negative tip":   {withdrawals, func(b *Batch) { b.Items[0].Rungs[0].MaxPriorityFeePerGas = gwei(-1) }, 0, "/items/0/rungs/0/max_priority_fee_per_gas"},
		"tip above cap":  {withdrawals, func(b *Batch) { b.Items[0].Rungs[0].MaxPriorityFeePerGas = gwei(43) }, 0, "/items/0/rungs/0/max_priority_fee_per_gas"},
		"fee falls":      {withdrawals, func(b *Batch) { b.Items[0].Rungs[1].MaxFeePerGas = gwei(40) }, 0, "/items/0/rungs/1/max_fee_per_gas"},
		"fee rises less": {withdrawals, func(b *Batch) {
			b.Items[0].Rungs[1].MaxFeePerGas = b.Items[0].Rungs[1].MaxFeePerGas.Sub(wallet.NewAmount(1))
		}, 0, "/items/0/rungs/1/max_fee_per_gas"},
		"tip rises less": {withdrawals, func(b *Batch) { b.Items[0].Rungs[1].MaxPriorityFeePerGas = gwei(2) }, 0, "/items/0/rungs/1/max_priority_fee_per_gas"},
		"fee of 129 bits": {withdrawals, func(b *Batch) {
			b.Items[0].Rungs[2].MaxFeePerGas = wallet.AmountOf(new(big.Int).Lsh(big.NewInt(1), 128))
		}, 0, "/items/0/rungs/2/max_fee_per_gas"},

		"sweep from payout":     {sweeps, func(b *Batch) { b.Items[2].Path.Role = wallet.PayoutRole }, 2, "/items/2/path"},
		"sweep to payout":       {sweeps, func(b *Batch) { b.Items[1].RecipientPath = "m/44'/60'/1'/0/0" }, 1, "/items/1/recipient_path"},
		"top-up from deposit":   {sweeps, func(b *Batch) { b.Items[0].Path.Role = wallet.DepositRole }, 0, "/items/0/path"},
		"top-up without path":   {sweeps, func(b *Batch) { b.Items[0].RecipientPath = "" }, 0, "/items/0/recipient_path"},
		"top-up to treasury":    {sweeps, func(b *Batch) { b.Items[0].RecipientPath = "m/44'/60'/3'/0/0" }, 0, "/items/0/recipient_path"},
		"top-up of a token":     {sweeps, func(b *Batch) { b.Items[0].Intent.Asset = usd }, 0, "/items/0/intent/asset"},
		"waits for itself":      {sweeps, func(b *Batch) { b.Items[1].Requires = 1 }, 1, "/items/1/requires"},
		"waits for a later one": {sweeps, func(b *Batch) { b.Items[1].Requires = 2 }, 1, "/items/1/requires"},
		"waits for none":        {sweeps, func(b *Batch) { b.Items[1].Requires = -2 }, 1, "/items/1/requires"},
		"waits for another's":   {sweeps, func(b *Batch) { b.Items[2].Requires = 0 }, 2, "/items/2/requires"},
		"withdrawal in a sweep": {sweeps, func(b *Batch) { b.Items[2].Intent.Kind = wallet.IntentWithdrawal }, 2, "/items/2/intent/kind"},
		"short approval":        {withdrawals, func(b *Batch) { b.Approvals = []Approval{{Approver: other, Signature: make([]byte, 64)}} }, -1, "/approvals/0/signature"},
		"approval twice": {withdrawals, func(b *Batch) {
			a := Approval{Approver: other, Signature: make([]byte, 65)}
			b.Approvals = []Approval{a, a}
		}, -1, "/approvals/1/approver"},
		"too many approvals": {withdrawals, func(b *Batch) { b.Approvals = make([]Approval, MaxApprovals+1) }, -1, "/approvals"},

		"requester of a sweep":    {sweeps, func(b *Batch) { b.Items[2].RequestedBy = make([]wallet.Requester, 1) }, 2, "/items/2/requested_by"},
		"too many requesters":     {withdrawals, func(b *Batch) { b.Items[0].RequestedBy = make([]wallet.Requester, MaxRequesters+1) }, 0, "/items/0/requested_by"},
		"short request signature": {withdrawals, func(b *Batch) { b.Items[0].RequestedBy = make([]wallet.Requester, 1) }, 0, "/items/0/requested_by/0/signature"},
		"requester twice": {withdrawals, func(b *Batch) {
			r := wallet.Requester{Requester: other, Signature: make([]byte, 65)}
			b.Items[0].RequestedBy = []wallet.Requester{r, r}
		}, 0, "/items/0/requested_by/1/requester"},

		"rebalance from deposit": {rebalances, func(b *Batch) { b.Items[0].Path.Role = wallet.DepositRole }, 0, "/items/0/path"},
		"rebalance to payout":    {rebalances, func(b *Batch) { b.Items[1].RecipientPath = "m/44'/60'/1'/0/0" }, 1, "/items/1/recipient_path"},
		"treasury to a deposit": {rebalances, func(b *Batch) {
			b.Items[0].Path.Role, b.Items[0].RecipientPath = wallet.TreasuryRole, "m/44'/60'/0'/0/0"
		}, 0, "/items/0/recipient_path"},
		"treasury to treasury":     {rebalances, func(b *Batch) { b.Items[1].Path.Role = wallet.TreasuryRole }, 1, "/items/1/recipient_path"},
		"rebalance as withdrawals": {rebalances, func(b *Batch) { b.Kind = Withdrawals }, 0, "/items/0/intent/kind"},
		"cancel to another":        {rebalances, func(b *Batch) { b.Items[2].To, b.Items[2].Intent.Recipient = other, other }, 2, "/items/2/intent/recipient"},
		"cancel pays another":      {rebalances, func(b *Batch) { b.Items[2].To = other }, 2, "/items/2/to"},
		"cancel of an amount": {rebalances, func(b *Batch) {
			b.Items[2].Value, b.Items[2].Intent.Amount = wallet.NewAmount(1), wallet.NewAmount(1)
		}, 2, "/items/2/intent/amount"},
		"cancel with value":  {rebalances, func(b *Batch) { b.Items[2].Value = wallet.NewAmount(1) }, 2, "/items/2/value"},
		"cancel with data":   {rebalances, func(b *Batch) { b.Items[2].Data = []byte{1} }, 2, "/items/2/data"},
		"cancel with a path": {rebalances, func(b *Batch) { b.Items[2].RecipientPath = "m/44'/60'/0'/0/0" }, 2, "/items/2/recipient_path"},
		"cancel of nothing":  {rebalances, func(b *Batch) { b.Items[2].Replaces = wallet.IntentName{} }, 2, "/items/2/replaces"},
		"cancel of itself":   {rebalances, func(b *Batch) { b.Items[2].Replaces = b.Items[2].Intent.Name() }, 2, "/items/2/replaces/id"},
		"cancel of no kind":  {rebalances, func(b *Batch) { b.Items[2].Replaces.Kind = "gift" }, 2, "/items/2/replaces/kind"},
		"cancel of a bad id": {rebalances, func(b *Batch) { b.Items[2].Replaces.ID = "a\n" }, 2, "/items/2/replaces/id"},
		"no-op replaces":     {rebalances, func(b *Batch) { b.Items[3].Replaces = b.Items[2].Replaces }, 3, "/items/3/replaces"},
		"no-op waits":        {rebalances, func(b *Batch) { b.Items[3].Requires = 0 }, 3, "/items/3/requires"},
		"imported cancels":   {rebalances, func(b *Batch) { b.Items[2].Path = wallet.Path{Role: wallet.ExternalRole, Imported: true} }, 2, "/items/2/path"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := test.make()
			if err := b.Check(); err != nil {
				t.Fatalf("the whole batch: %v", err)
			}
			test.harm(b)
			err := b.Check()
			var refusal *Error
			if !errors.As(err, &refusal) || !errors.Is(err, wallet.ErrRefused) {
				t.Fatalf("Check = %v, want a refusal", err)
			}
			if refusal.Item != test.item || refusal.Field != test.field {
				t.Errorf("Check blames item %d, %s (%v), want item %d, %s", refusal.Item, refusal.Field, err, test.item, test.field)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	good := sign(t, withdrawals())
	if err := good.Verify(); err != nil {
		t.Fatal(err)
	}
	back, err := ParseSigned(encoded(t, good))
	if err != nil {
		t.Fatal(err)
	}
	if err := back.Verify(); err != nil {
		t.Fatal(err)
	}
	stranger := withdrawals()
	resign := func(s *Signed, i, r int, tx *types.Transaction, key *ecdsa.PrivateKey) {
		signed, err := types.SignTx(tx, types.LatestSignerForChainID(tx.ChainId()), key)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := signed.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		s.Transactions[i][r] = wallet.SignedRung{Hash: signed.Hash(), Raw: raw}
	}
	tests := map[string]struct {
		harm func(s *Signed)
		want string
	}{
		"digest":        {func(s *Signed) { s.Digest = strings.Repeat("0", 64) }, "/digest"},
		"batch changed": {func(s *Signed) { s.Batch.Items[0].Gas++ }, "/digest"},
		"fewer items":   {func(s *Signed) { s.Transactions = s.Transactions[:1] }, "/transactions"},
		"fewer rungs":   {func(s *Signed) { s.Transactions[1] = s.Transactions[1][:1] }, "/transactions/1"},
		"rungs swapped": {func(s *Signed) { r := s.Transactions[0]; r[0], r[1] = r[1], r[0] }, "/transactions/0/0/raw"},
		"items swapped": {func(s *Signed) {
			s.Transactions[0][0], s.Transactions[1][0] = s.Transactions[1][0], s.Transactions[0][0]
		}, "/transactions/0/0/raw"},
		"hash":           {func(s *Signed) { s.Transactions[0][2].Hash[0]++ }, "/transactions/0/2/hash"},
		"no bytes":       {func(s *Signed) { s.Transactions[1][1].Raw = nil }, "/transactions/1/1/raw"},
		"bytes after":    {func(s *Signed) { s.Transactions[1][1].Raw = append(s.Transactions[1][1].Raw, 0) }, "/transactions/1/1/raw"},
		"another signer": {func(s *Signed) { resign(s, 0, 1, stranger.Items[0].Transaction(1, 1), depositKey) }, "signed by"},
		"another chain":  {func(s *Signed) { resign(s, 0, 1, stranger.Items[0].Transaction(5, 1), payoutKey) }, "/transactions/0/1/raw"},
		"another type": {func(s *Signed) {
			resign(s, 0, 1, types.NewTx(&types.LegacyTx{Nonce: 7, GasPrice: big.NewInt(1), Gas: 31500, To: &s.Batch.Items[0].To, Value: big.NewInt(1500)}), payoutKey)
		}, "/transactions/0/1/raw"},
		"malleable":         {func(s *Signed) { s.Transactions[0][0] = highS(t, s.Transactions[0][0]) }, "/transactions/0/0/raw"},
		"policy hash":       {func(s *Signed) { s.PolicyHash = "" }, "/policy_hash"},
		"record head":       {func(s *Signed) { s.RecordHead = "" }, "/record_head"},
		"an unsigned batch": {func(s *Signed) { s.Format = Format }, "/format"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := sign(t, withdrawals())
			test.harm(s)
			err := s.Verify()
			if !errors.Is(err, wallet.ErrRefused) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Verify = %v, want a refusal that says %q", err, test.want)
			}
		})
	}
}

// highS turns a signature into its other valid form, which EIP-2 forbids: the
// same transaction with another hash.
func highS(t *testing.T, s wallet.SignedRung) wallet.SignedRung {
	t.Helper()
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(s.Raw); err != nil {
		t.Fatal(err)
	}
	v, r, sv := tx.RawSignatureValues()
	other := types.NewTx(&types.DynamicFeeTx{
		ChainID: tx.ChainId(), Nonce: tx.Nonce(), GasTipCap: tx.GasTipCap(), GasFeeCap: tx.GasFeeCap(), Gas: tx.Gas(), To: tx.To(), Value: tx.Value(), Data: tx.Data(),
		V: new(big.Int).Sub(big.NewInt(1), v), R: r, S: new(big.Int).Sub(crypto.S256().Params().N, sv),
	})
	raw, err := other.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return wallet.SignedRung{Hash: other.Hash(), Raw: raw}
}

// mutations calls fn with the file changed in one place: every byte replaced
// in several ways, removed, doubled, and the file cut there.
func mutations(file []byte, fn func(what string, mutated []byte)) {
	splice := func(i, skip int, with ...byte) []byte {
		return append(append(bytes.Clone(file[:i]), with...), file[i+skip:]...)
	}
	for i, c := range file {
		with := []byte{c ^ 1, c ^ 0x20, c ^ 0x80, '0', '1', '"', ' ', 0}
		for _, r := range with {
			if r != c {
				fn(fmt.Sprintf("byte %d, %q for %q", i, r, c), splice(i, 1, r))
			}
		}
		fn(fmt.Sprintf("byte %d, %q, removed", i, c), splice(i, 1))
		fn(fmt.Sprintf("byte %d, %q, doubled", i, c), splice(i, 1, c, c))
		fn(fmt.Sprintf("cut before byte %d", i), file[:i])
	}
}

// Whatever byte of a batch is changed, it is refused or its digest changes,
// unless the change says nothing (white space).
func TestMutatedBatch(t *testing.T) {
	for _, b := range []*Batch{withdrawals(), sweeps()} {
		file, digest := encoded(t, b), digestOf(t, b)
		accepted, same := 0, 0
		mutations(file, func(what string, mutated []byte) {
			got, err := Parse(mutated)
			if err != nil {
				if !errors.Is(err, wallet.ErrRefused) {
					t.Errorf("%s: error %v is no refusal", what, err)
				}
				return
			}
			accepted++
			again := encoded(t, got)
			if digestOf(t, got) != digest {
				if bytes.Equal(again, file) {
					t.Errorf("%s: the same batch has another digest", what)
				}
				return
			}
			same++
			if !bytes.Equal(again, file) {
				t.Errorf("%s: another batch has the same digest", what)
			}
		})
		if accepted == 0 || same == 0 {
			t.Errorf("%d mutations accepted, %d with the same digest: the test changes too little", accepted, same)
		}
	}
}

// Whatever byte of a signed batch is changed, it is refused or carries the
// same batch and transactions: what is not under a signature (times, the
// policy's hash, the record's head) is all that can change.
func TestMutatedSigned(t *testing.T) {
	b := withdrawals()
	b.Items = b.Items[:1]
	b.Items[0].Rungs = ladder(1)
	b.Assets = b.Assets[:1]
	signed := sign(t, b)
	file := encoded(t, signed)
	mutations(file, func(what string, mutated []byte) {
		got, err := ParseSigned(mutated)
		if err == nil {
			err = got.Verify()
		}
		if err != nil {
			if !errors.Is(err, wallet.ErrRefused) {
				t.Errorf("%s: error %v is no refusal", what, err)
			}
			return
		}
		got.PolicyHash, got.RecordHead, got.SignedAt = signed.PolicyHash, signed.RecordHead, signed.SignedAt
		if !bytes.Equal(encoded(t, got), file) {
			t.Errorf("%s: accepted, and means something else", what)
		}
	})
}

// A transaction of any amount and recipient that Check accepts pays exactly
// what its intent says.
func TestTransferData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		to := common.BytesToAddress(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "to"))
		amount := wallet.AmountOf(new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 32).Draw(t, "amount")))
		data := TransferData(to, amount)
		if !strings.HasPrefix(hex.EncodeToString(data), hex.EncodeToString(crypto.Keccak256([]byte("transfer(address,uint256)"))[:4])) {
			t.Fatalf("data %x does not call transfer(address,uint256)", data)
		}
		gotTo, gotAmount, err := DecodeTransfer(data)
		if err != nil || gotTo != to || gotAmount.Cmp(amount) != 0 {
			t.Fatalf("decoded %s, %s, %v; want %s, %s", gotTo, gotAmount, err, to, amount)
		}
	})
}

// Every ladder of Bump is one that nodes accept as replacements (geth wants
// 10 % on both fields, both strictly higher) and that Check accepts.
func TestBump(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tip := rapid.Uint64().Draw(t, "tip")
		f := wallet.Fee{MaxPriorityFeePerGas: wallet.AmountOf(new(big.Int).SetUint64(tip))}
		f.MaxFeePerGas = f.MaxPriorityFeePerGas.Add(wallet.AmountOf(new(big.Int).SetUint64(rapid.Uint64Min(1).Draw(t, "base"))))
		up := Bump(f)
		if err := checkRungs(0, []wallet.Fee{f, up}); err != nil {
			t.Fatal(err)
		}
		for _, pair := range [][2]wallet.Amount{{f.MaxFeePerGas, up.MaxFeePerGas}, {f.MaxPriorityFeePerGas, up.MaxPriorityFeePerGas}} {
			if pair[1].Cmp(pair[0]) <= 0 || pair[1].Mul(10).Cmp(pair[0].Mul(11)) < 0 {
				t.Fatalf("%s after %s", pair[1], pair[0])
			}
			if less := pair[1].Sub(wallet.NewAmount(1)); less.Cmp(pair[0]) > 0 && less.Mul(10).Cmp(pair[0].Mul(11)) >= 0 {
				t.Fatalf("%s after %s, and one less would do", pair[1], pair[0])
			}
		}
	})
}

func TestSummarize(t *testing.T) {
	b := sweeps()
	s := Summarize(b)
	if s.Digest != digestOf(t, b) || s.Recipients != 2 || len(s.Rows) != 3 || len(s.Senders) != 3 {
		t.Errorf("summary %+v", s)
	}
	var totals []string
	for _, total := range s.Totals {
		totals = append(totals, fmt.Sprintf("%s %s in %d", total.Kind, total.Asset.Format(total.Amount), total.Items))
	}
	want := []string{"sweep 1000 USDC in 1", "sweep 0.000000008 ETH in 1", "top-up 0.000000005 ETH in 1"}
	if strings.Join(totals, "; ") != strings.Join(want, "; ") {
		t.Errorf("totals %q, want %q", totals, want)
	}
	// 21000 × 42 gwei, 90000 × 46.2 gwei, 21000 × 46.2 gwei
	if got := s.Coin.Format(s.WorstFee); got != "0.0060102 ETH" {
		t.Errorf("worst fee %s, want 0.0060102 ETH", got)
	}
}

func TestSummarizeWarns(t *testing.T) {
	b := withdrawals()
	b.Assets[1].Symbol = "ETH"
	doubled := b.Items[0]
	doubled.Nonce, doubled.Intent.ID = 12, "w-3"
	b.Items = append(b.Items, doubled)
	if err := b.Check(); err != nil {
		t.Fatal(err)
	}
	s := Summarize(b)
	all := allOf(s.Warnings)
	for _, want := range []string{"two assets bear the symbol ETH", "as another [2: pays the same amount to the same recipient as item 0]", "skips nonces"} {
		if !strings.Contains(all, want) {
			t.Errorf("warnings %q, want one that says %q", all, want)
		}
	}
}

// allOf is all that warnings say, one a line, with their items in brackets.
func allOf(list []Warning) string {
	var text strings.Builder
	for _, w := range list {
		fmt.Fprintf(&text, "%s: %s", w.Rule, w.Text)
		for _, item := range w.Items {
			fmt.Fprintf(&text, " [%d: %s]", item.Item, item.Text)
		}
		text.WriteByte('\n')
	}
	return text.String()
}

// What looks like something else is told, once for all that does.
func TestSummarizeWarnsOfLookalikes(t *testing.T) {
	ids := withdrawals()
	ids.Items[1].Intent.ID = "w-1\u0301"
	symbols := withdrawals()
	symbols.Assets[0].Symbol, symbols.Assets[1].Symbol = "000 ETH", "\u3164USDC"
	same := sweeps()
	for i := range 50 {
		same.Assets = append(same.Assets, Asset{wallet.Token(same.ChainID, common.BigToAddress(big.NewInt(int64(i+1)))), "SAME", 6})
	}
	treasury := sweeps()
	for i := range treasury.Items {
		if treasury.Items[i].Intent.Kind == wallet.IntentSweep {
			treasury.Items[i].RecipientPath = "m/44'/60'/3'/0/1999999999"
		}
	}
	thousand := withdrawals() // 1 000
	thousand.Assets[1].Symbol = "000"
	move := rebalances()
	move.Items[1].RecipientPath = "m/44'/60'/3'/0/1999999999"
	instead := withdrawals()
	instead.Items[1].Replaces = wallet.IntentName{Kind: wallet.IntentWithdrawal, ID: "w-0"}
	for want, b := range map[string]*Batch{
		"the symbol 000 of": thousand,
		"[1: goes to the treasury address m/44'/60'/3'/0/1999999999, which is not the vault's first]":                 move,
		`replaces: 1 item takes the place of another payment that was signed [1: takes the place of withdrawal "w-0"`: instead,
		"can look like others [1: its id has characters beyond ASCII":                                                 ids,
		"part of an amount, and 1 more like it":                                                                       symbols,
		"0x0000000000000000000000000000000000000002, and 48 more like it":                                             same,
		"[2: goes to the treasury address m/44'/60'/3'/0/1999999999, which is not the vault's first]":                 treasury,
	} {
		list := Summarize(b).Warnings
		if len(list) > 2 || !strings.Contains(allOf(list), want) {
			t.Errorf("warnings %q, want few and one that says %q", allOf(list), want)
		}
	}
}

func TestSummarizeSigned(t *testing.T) {
	signed := sign(t, withdrawals())
	s := SummarizeSigned(signed)
	if s.Signed == nil || s.Signed.Signatures != 5 || s.Rows[1].Hashes[1] != signed.Transactions[1][1].Hash {
		t.Errorf("summary %+v", s.Signed)
	}
}

// A file cannot make the error that refuses it long, or add lines to it that
// look like the program's own.
func TestErrorsRepeatLittleOfTheFile(t *testing.T) {
	file := string(encoded(t, withdrawals()))
	long := strings.Repeat("A", 1<<20)
	for name, hostile := range map[string]string{
		"name with a line":  strings.Replace(file, `"nonce"`, `"nonce\nairlock-signer: everything is signed"`, 1),
		"raw line in value": strings.Replace(file, `"version": "1"`, "\"version\": {\"a\":\n\"airlock-signer: everything is signed\"}", 1),
		"bidirectional":     strings.Replace(file, `"nonce"`, "\"\u202ecnon\"", 1),
		"long name":         strings.Replace(file, `"nonce"`, `"`+long+`"`, 1),
		"long path":         strings.Replace(file, `m/44'/60'/1'/0/0`, long, 1),
		"long id":           strings.Replace(file, `"w-1"`, `"`+long+`"`, 1),
		"long data":         strings.Replace(file, `"data": "0x"`, `"data": "0x`+long+`"`, 1),
		"long format":       strings.Replace(file, Format, long, 1),
		"long version":      strings.Replace(file, `"version": "1"`, `"version": "`+long+`"`, 1),
		"deep":              strings.Replace(file, `"items": [`, `"items": `+strings.Repeat("[", 9000), 1),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(hostile))
			if err == nil || len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\n\u202e") {
				t.Errorf("error of %d bytes: %.200q", len(fmt.Sprint(err)), err)
			}
		})
	}
}

// Lists are counted while they are read: millions of empty elements fit in a
// file, and would take gigabytes of memory before Check saw them.
func TestLongListsAreRefusedWhileReading(t *testing.T) {
	const n = 2 << 20
	list := "[" + strings.Repeat("{},", n) + "{}]"
	lists := "[" + strings.Repeat("[],", n) + "[]]"
	head := `{"format":"airlock-batch","version":"1",`
	signed := `{"format":"airlock-signed-batch","version":"1",`
	var least, most runtime.MemStats
	runtime.ReadMemStats(&least)
	for name, file := range map[string]string{
		"items":        head + `"items":` + list + `}`,
		"assets":       head + `"assets":` + list + `}`,
		"approvals":    head + `"approvals":` + list + `}`,
		"rungs":        head + `"items":[{"rungs":` + list + `}]}`,
		"transactions": signed + `"transactions":` + lists + `}`,
		"signatures":   signed + `"transactions":[` + list + `]}`,
	} {
		var err error
		if strings.HasPrefix(file, signed) {
			_, err = ParseSigned([]byte(file))
		} else {
			_, err = Parse([]byte(file))
		}
		if !errors.Is(err, wallet.ErrRefused) || !strings.Contains(fmt.Sprint(err), "elements") {
			t.Errorf("%s: error %.200v, want one that counts the elements", name, err)
		}
	}
	runtime.ReadMemStats(&most)
	if took := (most.TotalAlloc - least.TotalAlloc) >> 20; took > 400 { // the texts themselves are some 60
		t.Errorf("reading took %d MiB", took)
	}
}

// A reader that notices members which stand twice remembers every name, and
// some readers take what is too deep upon themselves. Neither may be paid for a
// file that is refused.
func TestTheShapeIsRefusedFirst(t *testing.T) {
	var names strings.Builder
	for i := range 1 << 20 {
		fmt.Fprintf(&names, `"%x":0,`, i)
	}
	many := "{" + names.String() + `"a":0}`
	head := `{"format":"airlock-batch","version":"1",`
	signed := `{"format":"airlock-signed-batch","version":"1",`
	var least, most runtime.MemStats
	runtime.ReadMemStats(&least)
	for name, test := range map[string]struct{ file, say string }{
		"names":           {head + many[1:], "members"},
		"names before":    {many[:len(many)-1] + `,"format":"airlock-batch","version":"1"}`, "members"},
		"in an address":   {head + `"items":[{"from":` + many + `}]}`, "(/items/0/from): has more than 32 members"},
		"in a text":       {head + `"id":` + many + `}`, "(/id): has more than 32 members"},
		"of a signed one": {signed + `"batch":{"items":[{"intent":{"amount":` + many + `}}]}}`, "members"},
		"deep":            {head + `"items":` + strings.Repeat("[", 1<<20), "deep"},
		"deep objects":    {head + `"items":` + strings.Repeat(`{"a":`, 1<<20), "deep"},
	} {
		var err error
		if IsSigned([]byte(test.file)) {
			t.Errorf("%s: taken for a signed batch", name)
		}
		if strings.HasPrefix(test.file, signed) {
			_, err = ParseSigned([]byte(test.file))
		} else {
			_, err = Parse([]byte(test.file))
		}
		if !errors.Is(err, wallet.ErrRefused) || !strings.Contains(fmt.Sprint(err), test.say) {
			t.Errorf("%s: error %.200v, want %q", name, err, test.say)
		}
	}
	runtime.ReadMemStats(&most)
	// The texts themselves are some 100.
	if took := (most.TotalAlloc - least.TotalAlloc) >> 20; took > 250 {
		t.Errorf("reading took %d MiB", took)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encoded(f, withdrawals()))
	f.Add(encoded(f, sweeps()))
	f.Add(encoded(f, sign(f, withdrawals())))
	f.Add([]byte(`{"format":"airlock-batch","version":"1"}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		if b, err := Parse(file); err == nil {
			again := encoded(t, b)
			back, err := Parse(again)
			if err != nil {
				t.Fatalf("reading again what was accepted: %v", err)
			}
			if digestOf(t, back) != digestOf(t, b) {
				t.Fatal("another digest when read again")
			}
			Summarize(b)
		}
		if s, err := ParseSigned(file); err == nil {
			SummarizeSigned(s)
			_ = s.Verify() // must not panic
		}
	})
}
