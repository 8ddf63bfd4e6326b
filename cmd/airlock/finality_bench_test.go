package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/chain/chaintest"
)

// crowd is a home with many withdrawals that are signed.
type crowd struct {
	b      *testing.B
	dir    string
	file   string // the signed batch
	signed *batch.Signed
	built  syscall.Rusage // of build-withdrawals
}

// BenchmarkToFinality pays 10,000 withdrawals on a local geth: broadcast and run
// until all are final and booked, beside a client that does nothing but send the
// same signed transactions to another geth in batches and ask until they are
// final. The pools of both have room for all.
func BenchmarkToFinality(b *testing.B) {
	for _, period := range []int{0, 1} {
		name := "blocks=at-once"
		if period > 0 {
			name = fmt.Sprintf("blocks=every-%ds", period)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				benchToFinality(b, period)
			}
		})
	}
}

func benchToFinality(b *testing.B, period int) {
	const many = 10_000
	args := []string{"--txpool.accountslots=20000", "--txpool.globalslots=20000", "--txpool.accountqueue=20000", "--txpool.globalqueue=20000", "--dev.gaslimit=30000000"}
	if period > 0 {
		args = append(args, fmt.Sprint("--dev.period=", period))
	}
	ours, theirs := chaintest.NewGeth(b, chaintest.GethOptions{Args: args}), chaintest.NewGeth(b, chaintest.GethOptions{Args: args})
	c := newCrowd(b, ours, many)
	sender := c.signed.Batch.Items[0].From
	fund(b, theirs, sender)

	began := time.Now()
	c.pay(ours, many)
	airlock := time.Since(began)

	began = time.Now()
	payBare(b, theirs, c.signed)
	bare := time.Since(began)

	b.ReportMetric(airlock.Seconds(), "airlock-s")
	b.ReportMetric(bare.Seconds(), "bare-s")
	b.ReportMetric(airlock.Seconds()/bare.Seconds(), "ratio")
	b.ReportMetric(float64(c.built.Maxrss)/1024, "build-MiB")
}

func fund(b *testing.B, g *chaintest.Geth, who common.Address) {
	tx, err := g.Fund(b.Context(), who, new(big.Int).Mul(big.NewInt(1e18), big.NewInt(1000)))
	if err == nil {
		_, err = g.Settle(b.Context(), tx)
	}
	if err == nil {
		err = g.Finalize(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
}

// command runs one of the programs in its home.
func (c *crowd) command(program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(c.b.Context(), filepath.Join(bin, program), args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "AIRLOCK_HOME="+filepath.Join(c.dir, program))
	return cmd
}

func (c *crowd) must(program string, args ...string) ([]byte, *exec.Cmd) {
	c.b.Helper()
	var out, errs bytes.Buffer
	cmd := c.command(program, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	began := time.Now()
	if err := cmd.Run(); err != nil {
		c.b.Fatalf("%s %.200s: %v: %.2000s", program, strings.Join(args, " "), err, errs.String())
	}
	c.b.Logf("%s %s: %s", program, args[0], time.Since(began).Round(time.Millisecond))
	return out.Bytes(), cmd
}

func newCrowd(b *testing.B, g *chaintest.Geth, many int) *crowd {
	c := &crowd{b: b, dir: b.TempDir(), file: "signed.json"}
	if err := os.WriteFile(filepath.Join(c.dir, "pass"), []byte("correct horse battery staple\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	const signer = "airlock-signer"
	online := []string{"--passphrase-file", "pass", "--accept-risk=online-station"}
	out, _ := c.must(signer, append([]string{"vault", "create", "--light-kdf", "--mnemonic-file", c.mnemonic(), "--json"}, online[0], online[1])...)
	var vault struct{ Fingerprint string }
	if err := json.Unmarshal(out, &vault); err != nil {
		b.Fatal(err)
	}
	c.must(signer, "policy", "init", "--preset", "open")
	c.must(signer, "vault", "export-watch", "-o", "watch.json", "--passphrase-file", "pass")
	c.must("airlock", "init", "--chain-id", strconv.FormatUint(g.ChainID(), 10), "--rpc", g.URL())
	c.must("airlock", "watch", "import", "watch.json", "--fingerprint", vault.Fingerprint)
	out, _ = c.must("airlock", "address", "list", "--role", "payout", "--json")
	var addresses []struct{ Address common.Address }
	if err := json.Unmarshal(out, &addresses); err != nil {
		b.Fatal(err)
	}
	fund(b, g, addresses[0].Address)
	c.must("airlock", "scan")

	var rows strings.Builder
	rows.WriteString("id,account,asset,amount,to,memo\n")
	approve := []string{"withdraw", "approve"}
	for i := range many {
		fmt.Fprintf(&rows, "w-%d,,ETH,0.001,%s,\n", i, common.BigToAddress(big.NewInt(int64(i)+0x10000000)))
		approve = append(approve, fmt.Sprint("w-", i))
	}
	if err := os.WriteFile(filepath.Join(c.dir, "rows.csv"), []byte(rows.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	c.must("airlock", "withdraw", "import", "rows.csv")
	c.must("airlock", approve...)
	_, build := c.must("airlock", "build-withdrawals", "-o", "batch.json")
	if usage, ok := build.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.built = *usage
	}
	unsigned, err := os.ReadFile(filepath.Join(c.dir, "batch.json"))
	if err != nil {
		b.Fatal(err)
	}
	parsed, err := batch.Parse(unsigned)
	if err != nil {
		b.Fatal(err)
	}
	digest, err := parsed.HexDigest()
	if err != nil {
		b.Fatal(err)
	}
	c.must(signer, append([]string{"sign", "batch.json", "-o", c.file, "--expect", digest}, online...)...)
	file, err := os.ReadFile(filepath.Join(c.dir, c.file))
	if err != nil {
		b.Fatal(err)
	}
	if c.signed, err = batch.ParseSigned(file); err != nil {
		b.Fatal(err)
	}
	return c
}

// mnemonic is a file with the words of BIP-39's zero entropy, so that both nodes
// know the same sender.
func (c *crowd) mnemonic() string {
	words := strings.Repeat("abandon ", 23) + "art\n"
	if err := os.WriteFile(filepath.Join(c.dir, "words"), []byte(words), 0o600); err != nil {
		c.b.Fatal(err)
	}
	return "words"
}

// pay sends what is signed and waits until everything is final and booked.
func (c *crowd) pay(g *chaintest.Geth, many int) {
	_, send := c.must("airlock", "broadcast", "--window", fmt.Sprint(many), c.file)
	if usage, ok := send.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.b.ReportMetric(float64(usage.Maxrss)/1024, "broadcast-MiB")
	}
	run := c.command("airlock", "run", "--window", fmt.Sprint(many))
	if err := run.Start(); err != nil {
		c.b.Fatal(err)
	}
	waitMined(c.b, g, c.signed.Batch.Items[0].From, uint64(many), func(uint64) {})
	if err := run.Process.Signal(os.Interrupt); err != nil {
		c.b.Fatal(err)
	}
	_ = run.Wait() // it may be too early to be asked politely
	if err := g.Finalize(c.b.Context()); err != nil {
		c.b.Fatal(err)
	}
	c.must("airlock", "scan")
	out, _ := c.must("airlock", "confirm", "--json")
	var report struct{ Confirmed, Pending int }
	if err := json.Unmarshal(out, &report); err != nil {
		c.b.Fatal(err)
	}
	if report.Confirmed != many || report.Pending != 0 {
		c.b.Fatalf("confirm: %s", out)
	}
}

// waitMined waits until a sender has sent so many transactions. Of a standstill of
// a second it tells with the number so far: a pool can lose what it took.
func waitMined(b *testing.B, g *chaintest.Geth, sender common.Address, count uint64, stands func(uint64)) {
	var last uint64
	since := time.Now()
	for {
		nonce, err := g.Client().NonceAt(b.Context(), sender, nil)
		if err != nil {
			b.Fatal(err)
		}
		if nonce >= count {
			return
		}
		if nonce > last {
			last, since = nonce, time.Now()
		}
		if time.Since(since) > time.Second {
			stands(nonce)
			since = time.Now()
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// payBare sends the first rung of everything in batches of 100, as fast as the
// node takes them, again from where it stands if it lost some, and waits until the
// last is final.
func payBare(b *testing.B, g *chaintest.Geth, signed *batch.Signed) {
	client, err := rpc.DialContext(b.Context(), g.URL())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	sendFrom := func(first uint64) {
		const part = 100
		for left := signed.Transactions[first:]; len(left) > 0; left = left[min(part, len(left)):] {
			var elems []rpc.BatchElem
			for _, rungs := range left[:min(part, len(left))] {
				elems = append(elems, rpc.BatchElem{Method: "eth_sendRawTransaction", Args: []any{rungs[0].Raw}, Result: new(common.Hash)})
			}
			if err := client.BatchCallContext(b.Context(), elems); err != nil {
				b.Fatal(err)
			}
		}
	}
	sendFrom(0)
	waitMined(b, g, signed.Batch.Items[0].From, uint64(len(signed.Transactions)), sendFrom)
	if err := g.Finalize(b.Context()); err != nil {
		b.Fatal(err)
	}
}
