//go:build linux

package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// stationFiles are what a station's home holds.
var stationFiles = []string{"vault.json", "policy.toml", "signer.db"}

// TestHalfWritten cuts off each file that signing reads, at many lengths, as a
// full stick or a power cut leaves them. Nothing is signed; whatever is said names
// the file; and with the whole file in its place the batch is signed.
func TestHalfWritten(t *testing.T) {
	m := newStation(t)
	m.newBatch(batchFile, func(b *batch.Batch) {
		b.Items[0].Nonce, b.Items[1].Nonce = 1, 2
	})
	sign := m.signs(batchFile, signedFile)
	m.newBatch("/stick/earlier.json", func(b *batch.Batch) {
		b.ID, b.Items = strings.Repeat("e", 32), b.Items[:1]
		b.Assets = b.Assets[:1]
		b.Items[0].Intent.ID = "w-0001"
	})
	m.ok(m.signs("/stick/earlier.json", "/stick/earlier-signed.json")...)

	files := []string{batchFile}
	for _, name := range stationFiles {
		files = append(files, home+"/"+name)
	}
	for _, name := range files {
		whole := m.read(name)
		lengths := []int{0, 1, len(whole) / 3, len(whole) / 2, len(whole) - 2}
		if strings.HasSuffix(name, ".db") {
			lengths = lengths[:4] // its last page may be one that is not in use
		}
		for _, n := range lengths {
			m.write(name, whole[:n])
			r := m.run(sign...)
			if m.exists(signedFile) {
				t.Errorf("%s with %d of %d bytes: it was signed", name, n, len(whole))
				if err := os.Remove(m.path(signedFile)); err != nil {
					t.Fatal(err)
				}
			}
			if r.code != 1 && r.code != 3 || strings.Contains(r.err, "panic") || strings.Contains(r.err, "goroutine") ||
				!strings.Contains(r.err, name) && !strings.Contains(r.err, "signing record") && !strings.Contains(r.err, "[record]") {
				t.Errorf("%s with %d of %d bytes: exit code %d, %s", name, n, len(whole), r.code, r.err)
			}
		}
		m.write(name, whole)
	}
	m.ok(sign...)
	m.verify(signedFile)
}

// TestDamagedRecord changes bytes of the signing record at random. Whatever the
// station says of it, it ends by itself, and nothing else is signed at a nonce that
// was signed.
func TestDamagedRecord(t *testing.T) {
	m := newStation(t)
	m.newBatch(batchFile, nil)
	m.ok(m.signs(batchFile, signedFile)...)
	head := m.verify(signedFile).RecordHead
	const other = "/stick/other-signed.json"
	m.newBatch("/stick/other.json", func(b *batch.Batch) {
		b.ID, b.RecordHead = strings.Repeat("a", 32), head
		b.Items[0].Intent.ID, b.Items[1].Intent.ID = "other-1", "other-2"
	})
	sign := m.signs("/stick/other.json", other)
	m.fails(3, "nonce", sign...)

	record := home + "/signer.db"
	whole := m.read(record)
	rng := rand.New(rand.NewPCG(1, 2))
	refused, damaged := 0, 0
	for range 60 {
		file := []byte(whole)
		for range 1 + rng.IntN(200) {
			file[rng.IntN(len(file))] = byte(rng.Uint32())
		}
		m.write(record, string(file))
		signed := m.run(sign...)
		if strings.Contains(signed.err, "goroutine ") {
			t.Errorf("it ends in a panic: %s", signed.err)
		}
		has := m.exists(other)
		if has {
			if err := os.Remove(m.path(other)); err != nil {
				t.Fatal(err)
			}
		}
		switch {
		case has != (signed.code == 0):
			t.Errorf("exit code %d, signed: %t, %s", signed.code, has, signed.err)
		case signed.code != 0 && strings.Contains(signed.err, "is damaged"):
			damaged++
		case signed.code != 0:
			refused++
		default:
			t.Error("another payment is signed at a nonce that was signed")
		}
	}
	t.Logf("%d refused, %d too damaged to read", refused, damaged)
	if refused == 0 || damaged == 0 {
		t.Error("no file was damaged less, or none was damaged more")
	}
	m.write(record, whole)
	m.fails(3, "nonce", sign...)
}

// TestForgottenNonce takes out of the record just what was signed at a nonce, as a
// medium can that loses one page: nothing else is signed there.
func TestForgottenNonce(t *testing.T) {
	m := newStation(t)
	m.newBatch(batchFile, nil)
	m.ok(m.signs(batchFile, signedFile)...)
	head := m.verify(signedFile).RecordHead
	m.newBatch("/stick/other.json", func(b *batch.Batch) {
		b.ID, b.RecordHead = strings.Repeat("a", 32), head
		b.Items[0].Intent.ID, b.Items[1].Intent.ID = "other-1", "other-2"
	})
	err := bolt.Open(m.path(home+"/signer.db")).Update(t.Context(), func(tx store.Tx) error {
		var slots [][]byte
		err := tx.Scan(store.Range{From: []byte("sign.slot\x00"), To: []byte("sign.slot\x01")}, func(k, _ []byte) error {
			slots = append(slots, bytes.Clone(k))
			return nil
		})
		if err != nil || len(slots) != 2 {
			return fmt.Errorf("%d slots: %w", len(slots), err)
		}
		return errors.Join(tx.Delete(slots[0]), tx.Delete(slots[1]))
	})
	if err != nil {
		t.Fatal(err)
	}
	m.fails(3, "record is not whole", m.signs("/stick/other.json", "/stick/other-signed.json")...)
	if m.exists("/stick/other-signed.json") {
		t.Error("another payment is signed")
	}
}

// TestFullDisk lets a station write so many bytes of a file and no more, from
// nothing to enough. Either the batch is signed, and the file is whole, or it is
// not; then the same command, once there is room, ends as if nothing had happened.
func TestFullDisk(t *testing.T) {
	m := newStation(t)
	m.newBatch(batchFile, nil)
	sign := m.signs(batchFile, signedFile)
	record := m.read(home + "/signer.db")
	signed := 0
	for _, blocks := range []int{0, 1, 2, 4, 8, 16, 24, 32, 40, 48, 64, 96, 128, 256, 1 << 20} {
		for _, file := range []string{signedFile} {
			_ = os.Remove(m.path(file)) // it may not be there
		}
		m.write(home+"/signer.db", record)
		// ulimit -f counts blocks of 512 bytes. Without the limit's signal, writing
		// fails as on a full disk.
		cmd := exec.CommandContext(t.Context(), "/bin/sh", append([]string{
			"-c", `trap '' XFSZ; ulimit -f "$1"; shift; exec chroot "$@"`, "sh", fmt.Sprint(blocks), m.root, signerFile, "--home", home,
		}, sign...)...)
		cmd.SysProcAttr, cmd.Env = alone(), shellEnv()
		r := end(t, cmd)
		switch {
		case r.code == 0:
			m.verify(signedFile)
			signed++
			continue
		case m.exists(signedFile):
			t.Errorf("%d blocks: exit code %d, and there is a signed file: %s", blocks, r.code, r.err)
		case strings.Contains(r.err, "goroutine ") || r.err == "":
			t.Errorf("%d blocks: exit code %d: %s", blocks, r.code, r.err)
		}
		m.ok(sign...)
		m.verify(signedFile)
		left, err := os.ReadDir(m.path("/stick"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range left {
			if strings.HasSuffix(f.Name(), ".tmp") {
				t.Errorf("%d blocks: %s is left behind", blocks, f.Name())
			}
		}
	}
	if signed == 0 || signed == 15 {
		t.Errorf("signed at %d of 15 limits", signed)
	}
}

// TestTogether has several processes sign on one home at the same time: the same
// batch, and batches that contradict each other.
func TestTogether(t *testing.T) {
	const processes = 6
	m := newStation(t)
	run := func(commands [][]string) []result {
		results := make([]result, len(commands))
		cmds := make([]*exec.Cmd, len(commands))
		for i, args := range commands {
			cmds[i] = m.command(t.Context(), append([]string{"--home", home, "--wait", "10m"}, args...)...)
		}
		var wg sync.WaitGroup
		for i := range cmds {
			wg.Go(func() {
				var out, errs strings.Builder
				cmds[i].Stdout, cmds[i].Stderr = &out, &errs
				_ = cmds[i].Run() // its exit code tells
				results[i] = result{-1, out.String(), errs.String()}
				if cmds[i].ProcessState != nil {
					results[i].code = cmds[i].ProcessState.ExitCode()
				}
			})
		}
		wg.Wait()
		return results
	}

	// The same batch: every process signs it, with the same signatures.
	m.newBatch(batchFile, nil)
	var same [][]string
	for i := range processes {
		same = append(same, m.signs(batchFile, fmt.Sprintf("/stick/same-%d.json", i)))
	}
	var want []string
	for i, r := range run(same) {
		if r.code != 0 {
			t.Fatalf("process %d of the same batch: exit code %d, %s", i, r.code, r.err)
		}
		var raw []string
		for _, rungs := range m.verify(fmt.Sprintf("/stick/same-%d.json", i)).Transactions {
			for _, rung := range rungs {
				raw = append(raw, rung.Raw.String())
			}
		}
		if want == nil {
			want = raw
		}
		if strings.Join(raw, " ") != strings.Join(want, " ") {
			t.Errorf("process %d has other signatures of the same batch", i)
		}
	}

	// Batches that pay differently at the same nonces: one is signed, and all
	// others are refused.
	var different [][]string
	for i := range processes {
		name := fmt.Sprintf("/stick/batch-%d.json", i)
		m.newBatch(name, func(b *batch.Batch) {
			b.ID = strings.Repeat(fmt.Sprint(i), 32)
			for n := range b.Items {
				b.Items[n].Nonce += 2
				b.Items[n].Intent.ID = fmt.Sprintf("w-%d-%d", i, n)
			}
			b.Items[0].Value = b.Items[0].Value.Sub(wallet.NewAmount(int64(i)))
			b.Items[0].Intent.Amount = b.Items[0].Value
		})
		different = append(different, m.signs(name, fmt.Sprintf("/stick/signed-%d.json", i)))
	}
	signed := 0
	for i, r := range run(different) {
		has := m.exists(fmt.Sprintf("/stick/signed-%d.json", i))
		switch {
		case r.code == 0 && has:
			signed++
		case r.code != 3 || has || !strings.Contains(r.err, "nonce"):
			t.Errorf("process %d: exit code %d, signed: %t, %s", i, r.code, has, r.err)
		}
	}
	if signed != 1 {
		t.Errorf("%d of %d batches for the same nonces were signed", signed, processes)
	}
	m.ok("audit", "verify")
}
