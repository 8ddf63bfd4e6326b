package signer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/signer/policy"
	"github.com/airlock-wallet/airlock/signer/vault"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// helperEnv makes this test program sign one batch and exit, as another
// process would.
const helperEnv = "AIRLOCK_TEST_SIGN"

// helperJob is what it does. Kill names where it kills itself.
type helperJob struct{ Record, Vault, Batch, Out, Kill string }

// Where a helper kills itself.
const (
	beforeCommit = "before the record is on disk"
	afterCommit  = "after the record is on disk, before there is a file"
)

func TestMain(m *testing.M) {
	if raw := os.Getenv(helperEnv); raw != "" {
		if err := helperSign(raw); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func helperSign(raw string) error {
	var job helperJob
	if err := json.Unmarshal([]byte(raw), &job); err != nil {
		return err
	}
	file, err := os.ReadFile(job.Batch)
	if err != nil {
		return err
	}
	b, err := batch.Parse(file)
	if err != nil {
		return err
	}
	open, err := policy.Preset("open")
	if err != nil {
		return err
	}
	p, err := policy.Parse(open)
	if err != nil {
		return err
	}
	v, err := vault.Open(job.Vault, passphrase)
	if err != nil {
		return err
	}
	defer v.Close()
	s := &signer.Service{Record: bolt.Open(job.Record), Policy: p, Now: func() time.Time { return now }}
	if job.Kill == beforeCommit {
		if err := s.NotePolicy(context.Background()); err != nil {
			return err
		}
		s.Record = killed{s.Record}
	}
	signed, err := s.Sign(context.Background(), b, v.Own(), nil)
	if err != nil {
		return err
	}
	out, err := signed.Encode()
	if err != nil {
		return err
	}
	if job.Kill == afterCommit {
		killMe()
	}
	return os.WriteFile(job.Out, out, 0o600)
}

// killMe is kill -9: nothing runs after it.
func killMe() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// killed ends the process when everything was written and nothing committed.
type killed struct{ store.DB }

func (k killed) Update(ctx context.Context, fn func(store.Tx) error) error {
	return k.DB.Update(ctx, func(tx store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		killMe()
		return nil
	})
}

// job is one of this station for a process of its own.
func (s *station) job(t *testing.T, dir, name string, b *batch.Batch) helperJob {
	t.Helper()
	job := helperJob{
		Record: filepath.Join(filepath.Dir(s.path), signer.RecordFile), Vault: s.path,
		Batch: filepath.Join(dir, name+".json"), Out: filepath.Join(dir, name+"-signed.json"),
	}
	if err := os.WriteFile(job.Batch, encoded(t, b), 0o600); err != nil {
		t.Fatal(err)
	}
	return job
}

func (job helperJob) run() error {
	raw, err := json.Marshal(job)
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this test program
	cmd.Env = append(os.Environ(), helperEnv+"="+string(raw))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// runAll runs jobs at the same time.
func runAll(jobs []helperJob) []error {
	results := make([]error, len(jobs))
	var g errgroup.Group
	for i, job := range jobs {
		g.Go(func() error {
			results[i] = job.run()
			return nil
		})
	}
	_ = g.Wait() // every result is told apart
	return results
}

// Two processes sign two payments at one nonce at the same time.
func TestTwoProcesses(t *testing.T) {
	s := newStation(t)
	dir := t.TempDir()
	var jobs []helperJob
	for i := range 2 {
		b := s.withdrawals(t, 0, 50)
		setAmount(&b.Items[49], int64(1000+i))
		jobs = append(jobs, s.job(t, dir, fmt.Sprint(i), b))
	}
	results := runAll(jobs)
	if (results[0] == nil) == (results[1] == nil) {
		t.Fatalf("two payments at one nonce: %v, %v; want exactly one signed", results[0], results[1])
	}
	for i, job := range jobs {
		_, err := os.Stat(job.Out)
		if (err == nil) != (results[i] == nil) {
			t.Errorf("process %d: %v, and its file: %v", i, results[i], err)
		}
	}
	if entries, _ := s.entries(t); len(entries) != 1 {
		t.Errorf("the record has %d entries, want 1", len(entries))
	}
	s.verify(t)
}

// Processes that sign the same batch at the same time write the same file.
func TestProcessesSignTheSame(t *testing.T) {
	s := newStation(t)
	dir := t.TempDir()
	b := s.withdrawals(t, 0, 50)
	var jobs []helperJob
	for i := range 3 {
		jobs = append(jobs, s.job(t, dir, fmt.Sprint(i), b))
	}
	for i, err := range runAll(jobs) {
		if err != nil {
			t.Fatalf("process %d: %v", i, err)
		}
	}
	first, err := os.ReadFile(jobs[0].Out)
	if err != nil {
		t.Fatal(err)
	}
	for _, job := range jobs[1:] {
		if other, err := os.ReadFile(job.Out); err != nil || !bytes.Equal(first, other) {
			t.Errorf("another file: %v", err)
		}
	}
	if entries, _ := s.entries(t); len(entries) != 1 {
		t.Errorf("the record has %d signatures, want 1", len(entries))
	}
	s.verify(t)
}

// Whenever a process is killed, the record is whole, the same command again
// gives the batch, and what was recorded counts.
func TestKilled(t *testing.T) {
	for _, when := range []string{beforeCommit, afterCommit} {
		t.Run(when, func(t *testing.T) {
			s := newStation(t)
			job := s.job(t, t.TempDir(), "batch", s.withdrawals(t, 0, 20))
			job.Kill = when
			err := job.run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the helper ended with %v, want it killed", err)
			}
			if _, err := os.Stat(job.Out); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("there is a file: %v", err)
			}
			s.verify(t)
			recorded, _ := s.entries(t)
			if want := strings.Count(when, "after"); len(recorded) != want {
				t.Errorf("%d signatures are recorded, want %d", len(recorded), want)
			}
			other := s.withdrawals(t, 0, 20)
			setAmount(&other.Items[3], 99)
			other.Items[3].Intent.ID = "w-other"
			checked := s.Check(t.Context(), other, s.vault.Fingerprint(), nil)
			if (checked == nil) != (len(recorded) == 0) {
				t.Errorf("another payment at that nonce: %v", checked)
			}
			job.Kill = ""
			if err := job.run(); err != nil {
				t.Fatal(err)
			}
			entries, head := s.entries(t)
			if len(entries) != 1 {
				t.Errorf("%d signatures are recorded, want 1", len(entries))
			}
			file, err := os.ReadFile(job.Out)
			if err != nil {
				t.Fatal(err)
			}
			if signed, err := batch.ParseSigned(file); err != nil || len(recorded) == 0 && signed.RecordHead != head {
				t.Errorf("the file: %v", err)
			}
			s.verify(t)
		})
	}
}

// failing is a store on a disk that has room for so many writes.
type failing struct {
	store.DB
	room *int
}

type failingTx struct {
	store.Tx
	room *int
}

var errFull = errors.New("no space left on device")

func (f failing) Update(ctx context.Context, fn func(store.Tx) error) error {
	return f.DB.Update(ctx, func(tx store.Tx) error { return fn(failingTx{tx, f.room}) })
}

func (f failingTx) Put(key, value []byte) error {
	if *f.room--; *f.room < 0 {
		return errFull
	}
	return f.Tx.Put(key, value)
}

// Whichever write fails, nothing is signed, and nothing of it is in the record.
func TestDiskFull(t *testing.T) {
	s := newStation(t)
	if err := s.NotePolicy(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := s.withdrawals(t, 0, 2)
	room := 0
	s.Record = failing{s.db, &room}
	for limit := 0; ; limit++ {
		room = limit
		signed, err := s.Sign(t.Context(), b, s.vault, nil)
		if err == nil {
			if limit < 10 || s.verify(t).Kinds[signer.KindSignature] != 1 {
				t.Errorf("signed with room for %d writes", limit)
			}
			return
		}
		if signed != nil || !errors.Is(err, errFull) {
			t.Fatalf("room for %d writes: %v, %v", limit, signed, err)
		}
		if v := s.verify(t); v.Entries != 1 {
			t.Fatalf("room for %d writes: the record has %d entries, want that of the policy", limit, v.Entries)
		}
	}
}

// What cannot be noted does not happen.
func TestNoteOnAFullDisk(t *testing.T) {
	s := newStation(t)
	room := 0
	s.Record = failing{s.db, &room}
	limit := 0
	for ; ; limit++ {
		room = limit
		err := s.Note(t.Context(), signer.Note{Kind: signer.KindUnlock})
		if v := s.verify(t); (err == nil) != (v.Entries == 1) {
			t.Fatalf("room for %d writes: %v, and %d entries", limit, err, v.Entries)
		}
		if err == nil {
			break
		}
	}
	if limit == 0 {
		t.Error("noted without a write")
	}
}
