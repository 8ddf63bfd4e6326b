package signer_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/signer"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/store/bolt"
)

// known is what a record must know, told as simply as it can be: a list of all
// that was signed, which is searched from end to end.
type known struct {
	signed []signedItem
	heads  []string
	low    uint64 // of the one sender; ^0 while it is not known
	last   time.Time
}

type signedItem struct {
	nonce    uint64
	name     wallet.IntentName
	to       common.Address
	amount   int64
	at       time.Time
	counted  bool // is value that was not signed for before
	replaces wallet.IntentName
}

func (a signedItem) same(b signedItem) bool {
	return a.nonce == b.nonce && a.name == b.name && a.to == b.to && a.amount == b.amount
}

// verdict says whether a batch may be signed, and what is known afterwards.
// Limits: 12 wei a recipient and day, 20 a day, 30 a week.
func (k known) verdict(items []signedItem, head string, risks signer.Risks, clock time.Time) (after known, ok bool) {
	after = known{slices.Clone(k.signed), slices.Clone(k.heads), k.low, k.last}
	restored := risks[signer.RiskRecordRestored]
	behind := head != "" && !slices.Contains(k.heads, head)
	if behind && !restored {
		return after, false
	}
	if clock.After(after.last) {
		after.last = clock
	}
	firstNew := ^uint64(0)
	for _, it := range items {
		var last *signedItem
		repeated, replaced, here := false, false, false
		for _, old := range k.signed {
			if old.nonce == it.nonce {
				last = &old
				repeated = repeated || old.same(it)
				replaced = replaced || old.name == it.replaces
			}
			if it.name.Kind == wallet.IntentWithdrawal && old.name == it.name {
				if old.amount != it.amount || old.to != it.to {
					return after, false
				}
				here = here || old.nonce == it.nonce
			}
		}
		declared := it.replaces != wallet.IntentName{}
		switch {
		case repeated:
			if declared && !replaced && it.name.Kind != wallet.IntentCancel {
				return after, false
			}
			continue
		case last == nil && declared && it.name.Kind != wallet.IntentCancel:
			return after, false
		case last != nil && (it.name.Kind == wallet.IntentNoOp || it.replaces != last.name):
			return after, false
		case k.low == ^uint64(0):
			if firstNew == ^uint64(0) && it.nonce > 0 && !restored {
				return after, false
			}
		case it.nonce < k.low:
			return after, false
		}
		firstNew = min(firstNew, it.nonce)
		if it.name.Kind == wallet.IntentWithdrawal && !here {
			elsewhere := slices.ContainsFunc(k.signed, func(old signedItem) bool { return old.name == it.name })
			if elsewhere && !risks[signer.RiskSecondNonce] {
				return after, false
			}
			it.counted = true
		}
		it.at = after.last
		after.signed = append(after.signed, it)
	}
	if firstNew != ^uint64(0) && (k.low == ^uint64(0) || behind) {
		after.low = firstNew
		if k.low != ^uint64(0) {
			after.low = max(k.low, firstNew)
		}
	}
	return after, after.within(items, len(k.signed))
}

// within holds the limits against the new part of what was signed.
func (k known) within(items []signedItem, from int) bool {
	sum := func(from int, window time.Duration, to *common.Address) (n int64) {
		for _, it := range k.signed[from:] {
			if it.counted && !it.at.Before(k.last.Add(-window)) && (to == nil || *to == it.to) {
				n += it.amount
			}
		}
		return n
	}
	if sum(from, week, nil) > 0 && (sum(0, day, nil) > 20 || sum(0, week, nil) > 30) {
		return false
	}
	for _, it := range items {
		if sum(from, week, &it.to) > 0 && sum(0, day, &it.to) > 12 {
			return false
		}
	}
	return true
}

// drawBatch makes a batch of one sender, and says what it asks for.
func drawBatch(t *testing.T, rt *rapid.T, s *station, k known) (*batch.Batch, []signedItem) {
	names := []wallet.IntentName{withdrawal("w-0"), withdrawal("w-1"), {Kind: wallet.IntentCancel, ID: "empty-1"}}
	for _, it := range k.signed {
		names = append(names, it.name)
	}
	b := s.head(batch.Withdrawals)
	b.CreatedAt, b.ExpiresAt = now.Add(-300*day), now.Add(300*day)
	var items []signedItem
	next := rapid.Uint64Range(0, 4).Draw(rt, "nonce")
	for range rapid.IntRange(1, 3).Draw(rt, "items") {
		it := s.one(t, next, "").Items[0]
		kind := rapid.SampledFrom([]string{"pay", "pay", "pay", "replace", "replace", "cancel", "no-op"}).Draw(rt, "kind")
		replaces := wallet.IntentName{}
		if kind == "replace" || kind == "cancel" {
			replaces = rapid.SampledFrom(names).Draw(rt, "replaces")
			for _, old := range k.signed { // mostly the right one
				if old.nonce == next && rapid.IntRange(0, 3).Draw(rt, "any") > 0 {
					replaces = old.name
				}
			}
		}
		item := signedItem{nonce: next, replaces: replaces}
		if kind == "pay" || kind == "replace" {
			id := rapid.IntRange(0, 9).Draw(rt, "id")
			item.name, item.amount, item.to = withdrawal(fmt.Sprint("w-", id)), int64(id%4+1), recipient(id%3)
			if rapid.IntRange(0, 19).Draw(rt, "other content") == 0 {
				item.amount += 5
			}
		} else {
			e := s.emptied(t, next, replaces).Items[0]
			item.name, item.to = e.Intent.Name(), e.From
			it = e
		}
		it.Replaces, it.To, it.Intent.Recipient, it.Intent.Kind, it.Intent.ID = replaces, item.to, item.to, item.name.Kind, item.name.ID
		setAmount(&it, item.amount)
		b.Items, items = append(b.Items, it), append(items, item)
		next += rapid.Uint64Range(1, 2).Draw(rt, "step")
	}
	return b, items
}

// Whatever is asked for in whatever order, with whatever clock, risks and old
// copies of the record: what is signed is just what may be. So no slot pays two
// things of which the later did not name the earlier, no withdrawal has a second
// nonce that nobody accepted, no limit is exceeded, and what was signed is signed
// again alike.
func TestRecordProperty(t *testing.T) {
	s := newStation(t)
	dir := t.TempDir()
	tried, done, files := 0, 0, 0
	fresh := func(raw []byte) *bolt.DB {
		files++
		path := filepath.Join(dir, fmt.Sprint(files))
		if raw == nil {
			db, err := bolt.Create(context.Background(), path)
			if err != nil {
				t.Fatal(err)
			}
			return db
		}
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return bolt.Open(path)
	}
	s.Policy = parsePolicy(t, `
version = 1
open = true
[[chain]]
id = 1
[[asset]]
asset = "eip155:1/slip44:60"
symbol = "ETH"
decimals = 18
max_per_recipient = "0.000000000000000012"
max_per_day = "0.00000000000000002"
max_per_week = "0.00000000000000003"
`)
	rapid.Check(t, func(rt *rapid.T) {
		type copied struct {
			file  []byte
			knows known
		}
		s.db = fresh(nil)
		s.Record = s.db
		k := known{low: ^uint64(0), last: now}
		clock, online := now, ""
		s.Now, s.Date = func() time.Time { return clock }, ""
		if err := s.NotePolicy(context.Background()); err != nil { // the first entry
			rt.Fatal(err)
		}
		var copies []copied
		results := map[string][]byte{} // digest -> signed batch
		batches := map[string]*batch.Batch{}
		for range rapid.IntRange(1, 14).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"sign", "sign", "sign", "sign", "clock", "copy", "restore", "again"}).Draw(rt, "do") {
			case "clock":
				clock = clock.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, day - time.Second, day, 2 * day, -5 * day}).Draw(rt, "by"))
			case "copy":
				var file bytes.Buffer
				if err := s.db.Backup(context.Background(), &file); err != nil {
					rt.Fatal(err)
				}
				copies = append(copies, copied{file.Bytes(), k})
			case "restore":
				if len(copies) > 0 {
					c := rapid.SampledFrom(copies).Draw(rt, "copy")
					s.db = fresh(c.file)
					s.Record, k = s.db, c.knows
				}
			case "again":
				for digest, b := range batches {
					if !slices.ContainsFunc(k.heads, func(h string) bool { return bytes.Contains(results[digest], []byte(h)) }) {
						continue
					}
					s.Now, s.Date = func() time.Time { return clock }, clock.Format(time.DateOnly)
					signed, err := s.Sign(context.Background(), b, s.vault, nil)
					if err != nil || !bytes.Equal(encoded(t, signed), results[digest]) {
						rt.Fatalf("signed again: %v", err)
					}
					break
				}
			case "sign":
				b, items := drawBatch(t, rt, s, k)
				b.RecordHead = online
				if rapid.IntRange(0, 9).Draw(rt, "older head") == 0 && len(k.heads) > 0 {
					b.RecordHead = k.heads[0]
				}
				if b.Check() != nil {
					continue // two items of one intent
				}
				risks := signer.Risks{
					signer.RiskRecordRestored: rapid.IntRange(0, 3).Draw(rt, "restored") == 0,
					signer.RiskSecondNonce:    rapid.IntRange(0, 3).Draw(rt, "second nonce") == 0,
				}
				s.Now, s.Date = func() time.Time { return clock }, clock.Format(time.DateOnly)
				after, allowed := k.verdict(items, b.RecordHead, risks, clock)
				signed, err := s.Sign(context.Background(), b, s.vault, risks)
				if (err == nil) != allowed {
					rt.Fatalf("Sign = %v, want it allowed: %v\nasked for %+v with %v\nknown %+v", err, allowed, items, risks, k)
				}
				tried++
				if err != nil {
					continue
				}
				done++
				k = after
				k.heads = append(k.heads, signed.RecordHead)
				online = signed.RecordHead
				results[signed.Digest], batches[signed.Digest] = encoded(t, signed), b
				if !signed.SignedAt.Equal(k.last) {
					rt.Fatalf("signed at %s, and the station's time is %s", signed.SignedAt, k.last)
				}
			}
		}
		s.verify(t)
	})
	if done < 20 || tried-done < 20 {
		t.Errorf("%d batches were signed and %d refused: the test tries too little", done, tried-done)
	}
	t.Logf("%d batches were signed and %d refused", done, tried-done)
}
