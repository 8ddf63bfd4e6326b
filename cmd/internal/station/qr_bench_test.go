package station

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/qrcode"
	"github.com/airlock-wallet/airlock/cmd/internal/tui"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/ur"
)

// payments replaces the items of a batch by n that look like those of a
// payment run: two assets, recipients, amounts and ids of their own.
func payments(n, rungs int) func(*batch.Batch) {
	return func(u *batch.Batch) {
		dollar := wallet.Token(1, common.HexToAddress("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"))
		like := u.Items[0]
		u.Items = nil
		u.Assets = append(u.Assets, batch.Asset{Asset: dollar, Symbol: "USDC", Decimals: 6})
		for i := range n {
			random := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
			it := like
			to, amount := common.Address(random[:20]), wallet.NewAmount(int64(binary.BigEndian.Uint32(random[20:24]))*1_000)
			it.Nonce, it.To, it.Value, it.Rungs = uint64(i), to, amount, it.Rungs[:1:1]
			it.Intent.ID, it.Intent.Recipient, it.Intent.Amount = fmt.Sprintf("order-%x", random[24:28]), to, amount
			if i%2 == 1 || n == 1 {
				it.Intent.Asset, it.To, it.Value, it.Data, it.Gas = dollar, dollar.Contract, wallet.Amount{}, batch.TransferData(to, amount), 94_000
			}
			for len(it.Rungs) < rungs {
				it.Rungs = append(it.Rungs, batch.Bump(it.Rungs[len(it.Rungs)-1]))
			}
			u.Items = append(u.Items, it)
		}
	}
}

// BenchmarkQRCrossing tells what a crossing takes: bytes of the file and of the
// message, and codes at 80 by 24 and at 120 by 50. The time is that of packing,
// drawing, and putting together again, without a camera.
func BenchmarkQRCrossing(b *testing.B) {
	for _, rungs := range []int{1, 4} {
		for _, items := range []int{1, 10, 100} {
			for _, name := range []string{"batch.json", "signed.json"} {
				b.Run(fmt.Sprintf("rungs=%d/items=%d/%s", rungs, items, name), func(b *testing.B) {
					station := ready(b)
					digest := station.batch("batch.json", 0, payments(items, rungs))
					station.ok(station.signArgs("batch.json", "signed.json", "--expect", digest)...)
					file := []byte(station.read(name))
					b.ReportAllocs()
					for b.Loop() {
						crossOnce(b, file)
					}
				})
			}
		}
	}
}

func crossOnce(b *testing.B, file []byte) {
	message, err := ur.PackFile(file)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(file)), "file-B")
	b.ReportMetric(float64(len(message)), "message-B")
	for _, screen := range [][2]int{{120, 50}, {80, 24}} {
		version, _ := tui.Fitting(screen[0], screen[1])
		e, err := ur.NewEncoder(ur.FileType, message, ur.FragmentFor(ur.FileType, len(message), qrcode.Capacity(version)))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(e.Count()), fmt.Sprintf("codes-%dx%d", screen[0], screen[1]))
		var d ur.Decoder
		for !d.Done() {
			text := e.Next().String()
			if _, err := qrcode.Encode(text, version); err != nil {
				b.Fatal(err)
			}
			p, err := ur.ParsePart(text)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := d.Add(p); err != nil {
				b.Fatal(err)
			}
		}
	}
}
