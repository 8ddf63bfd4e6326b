package formats

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/notifier"
	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/outgoing"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// When the examples' events happened, and when the request of the page was
// made.
var (
	settled = time.Date(2026, 3, 2, 14, 2, 51, 0, time.UTC)
	sentAt  = settled.Add(4 * time.Second)
)

// paid is the event of the page's first withdrawal, as settling emits it.
func paid(t *testing.T) wallet.Event {
	t.Helper()
	s := must(batch.ParseSigned([]byte(example(t, "signed-batch"))))(t)
	it := s.Batch.Items[0]
	w := wallet.Withdrawal{
		WithdrawalRequest: wallet.WithdrawalRequest{ID: it.Intent.ID, Account: "alice", Asset: it.Intent.Asset, Amount: it.Intent.Amount, To: it.Intent.Recipient},
		Status:            wallet.WithdrawalConfirmed, Batch: s.Batch.ID,
		Slot:   &wallet.Slot{ChainID: chainID, Sender: it.From, Nonce: it.Nonce},
		TxHash: s.Transactions[0][0].Hash, Fee: wallet.NewAmount(16_100_000_000).Mul(21_000),
		RequestedAt: built.Add(-time.Hour), UpdatedAt: settled,
	}
	var e wallet.Event
	db := newHome(t)
	if err := db.Update(t.Context(), func(tx store.Tx) (err error) {
		if err := outgoing.EmitWithdrawal(tx, wallet.WithdrawalConfirmedEvent, w, settled); err != nil {
			return err
		}
		e, err = store.EventAt(tx, 1)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return e
}

// arrived is a deposit of the tokens that the page's sweep brings home.
func arrived(t *testing.T) wallet.Event {
	t.Helper()
	logIndex := uint64(212)
	d := wallet.Deposit{
		ChainID: chainID, Account: "alice", Address: addressAt(t, wallet.DepositRole, 0), From: customer,
		Asset: usdc.ID, Amount: must(wallet.ParseDecimal("320", usdc.Decimals))(t), Kind: wallet.KindToken,
		TxHash:   common.HexToHash("0x8f2c1d6e0b7a49537c20e4f1a6b3d958c7e01f2a4b6d8093e5c7a1f3b2d4e608"),
		LogIndex: &logIndex, BlockNumber: 24_561_007,
		BlockHash: common.HexToHash("0x3ad5b0c94e1f7286d0a3c5e7f9b1d2e4a6c8f0123b5d7e9f1a2c4e6d8b0f1357"),
		Status:    wallet.DepositConfirmed,
	}
	d.ID = wallet.DepositID(d.ChainID, d.TxHash, d.Kind, 1)
	return event(t, wallet.DepositConfirmedEvent, d.ID, d.BlockHash.Hex(), scanner.RowOf(d, usdc))
}

// swept is the event of the page's sweep.
func swept(t *testing.T) wallet.Event {
	t.Helper()
	b := must(batch.Parse([]byte(example(t, "sweep-batch"))))(t)
	it := b.Items[1]
	slot := wallet.Slot{ChainID: chainID, Sender: it.From, Nonce: it.Nonce}
	return event(t, wallet.SweepConfirmedEvent, "sweep:"+slot.IntentID(), "", outgoing.Sweep{
		ChainID: chainID, Batch: b.ID, From: it.From.Hex(), Nonce: it.Nonce, To: it.Intent.Recipient.Hex(),
		Asset: usdc.ID, Symbol: usdc.Symbol, Amount: it.Intent.Amount, Decimals: usdc.Decimals,
		TxHash: common.HexToHash("0x51e7c3a90d2b4f68a1c5e793b0d8f2461c3e5a7092b4d6f8e1a3c50792b4d6e8"),
		Fee:    wallet.NewAmount(16_100_000_000).Mul(62_350), BlockNumber: 24_561_980,
	})
}

func event(t *testing.T, kind wallet.EventType, subject, occasion string, data any) wallet.Event {
	t.Helper()
	return wallet.Event{
		ID: wallet.EventID(kind, subject, occasion), Type: kind, Subject: subject, Timestamp: settled,
		Data: must(json.Marshal(data))(t),
	}
}

func message(t *testing.T, e wallet.Event) notifier.Message {
	t.Helper()
	return must(notifier.Standard{}.Message(e, line(t, "webhook-secret"), sentAt))(t)
}

// TestEvents holds the bodies of the page against what is sent.
func TestEvents(t *testing.T) {
	address := regexp.MustCompile(`"(0x[0-9a-fA-F]{40})"`)
	for name, e := range map[string]wallet.Event{"deposit-event": arrived(t), "withdrawal-event": paid(t), "sweep-event": swept(t)} {
		var out bytes.Buffer
		if err := json.Indent(&out, message(t, e).Body, "", "  "); err != nil {
			t.Fatal(err)
		}
		same(t, name, out.String()+"\n")

		found := address.FindAllStringSubmatch(example(t, name), -1)
		if len(found) < 2 {
			t.Errorf("%s: %d addresses", name, len(found))
		}
		for _, m := range found {
			if common.HexToAddress(m[1]).Hex() != m[1] {
				t.Errorf("%s: %s is not in EIP-55 form", name, m[1])
			}
		}
	}
}

// request reads the page's request.
func request(t *testing.T) (header http.Header, body []byte) {
	t.Helper()
	head, rest, ok := strings.Cut(example(t, "webhook"), "\n\n")
	if !ok {
		t.Fatal("the request has no body")
	}
	r := textproto.NewReader(bufio.NewReader(strings.NewReader(head + "\n\n")))
	if first := must(r.ReadLine())(t); !strings.HasPrefix(first, "POST ") {
		t.Errorf("the request begins with %q", first)
	}
	return http.Header(must(r.ReadMIMEHeader())(t)), []byte(strings.TrimSuffix(rest, "\n"))
}

func TestWebhook(t *testing.T) {
	m := message(t, paid(t))
	var out strings.Builder
	out.WriteString("POST /hooks HTTP/1.1\nhost: shop.example\n")
	for _, name := range []string{"Content-Type", notifier.HeaderID, notifier.HeaderTimestamp, notifier.HeaderSignature} {
		fmt.Fprintf(&out, "%s: %s\n", strings.ToLower(name), m.Header.Get(name))
	}
	fmt.Fprintf(&out, "\n%s\n", m.Body)
	same(t, "webhook", out.String())

	header, body := request(t)
	for name := range m.Header {
		if header.Get(name) != m.Header.Get(name) {
			t.Errorf("%s: %s, the notifier sends %s", name, header.Get(name), m.Header.Get(name))
		}
	}
	if !bytes.Equal(body, m.Body) {
		t.Errorf("body %s, the notifier sends %s", body, m.Body)
	}
	var spread, compact any
	if err := json.Unmarshal([]byte(example(t, "withdrawal-event")), &spread); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &compact); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(spread, compact) {
		t.Error("the request's body is not the event that the page shows below it")
	}

	// As the page says it, without the notifier.
	key := must(base64.StdEncoding.DecodeString(strings.TrimPrefix(line(t, "webhook-secret"), "whsec_")))(t)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(header.Get("webhook-id") + "." + header.Get("webhook-timestamp") + "."))
	mac.Write(body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); header.Get("webhook-signature") != want {
		t.Errorf("webhook-signature: %s, want %s", header.Get("webhook-signature"), want)
	}
}

// TestVerify runs the script of the page.
func TestVerify(t *testing.T) {
	for _, tool := range []string{"sh", "openssl", "base64", "od"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	header, body := request(t)
	id, stamp, signature := header.Get("webhook-id"), header.Get("webhook-timestamp"), header.Get("webhook-signature")
	for _, test := range []struct {
		name                 string
		id, stamp, signature string
		body                 string
		accepted             bool
	}{
		{"as sent", id, stamp, signature, string(body), true},
		{"one of several", id, stamp, "v1,AAAA " + signature, string(body), true},
		{"other body", id, stamp, signature, string(body) + " ", false},
		{"other id", id + "0", stamp, signature, string(body), false},
		{"other time", id, stamp + "0", signature, string(body), false},
		{"other signature", id, stamp, "v1,AAAA", string(body), false},
		{"no signature", id, stamp, "", string(body), false},
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", example(t, "verify"), "verify", test.id, test.stamp, test.signature)
		cmd.Env = append(cmd.Environ(), "WEBHOOK_SECRET="+line(t, "webhook-secret"))
		cmd.Stdin = strings.NewReader(test.body)
		if out, err := cmd.CombinedOutput(); (err == nil) != test.accepted {
			t.Errorf("%s: %v\n%s", test.name, err, out)
		}
	}
}

// TestEventTypes guards against a type that the page does not tell of.
func TestEventTypes(t *testing.T) {
	text := string(readPage(t))
	for _, kind := range wallet.EventTypes() {
		if !strings.Contains(text, "`"+string(kind)+"`") {
			t.Errorf("the page does not name %s", kind)
		}
	}
}
