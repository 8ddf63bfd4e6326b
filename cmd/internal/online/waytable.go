package online

import (
	"cmp"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/ethereum/go-ethereum/common"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/payout"
)

// wayRow is a transaction on its way, as programs read it.
type wayRow struct {
	Kind           wallet.IntentKind    `json:"kind"`
	ID             string               `json:"id"`
	From           string               `json:"from"` // EIP-55
	Nonce          uint64               `json:"nonce"`
	State          wallet.OutgoingState `json:"state"`
	Cancel         bool                 `json:"cancel"` // its cancel is offered instead
	Rung           int                  `json:"rung"`   // highest that was offered, from 1; 0 if none was
	Rungs          int                  `json:"rungs"`
	MaxFee         wallet.Amount        `json:"max_fee_per_gas"` // wei, of that rung or else of the first
	MaxPriorityFee wallet.Amount        `json:"max_priority_fee_per_gas"`
	TxHash         common.Hash          `json:"tx_hash"`
	Since          time.Time            `json:"since"` // when it was bound
	Reason         string               `json:"reason"`
}

func wayRows(rows []payout.Row) []wayRow {
	list := make([]wayRow, len(rows))
	for i, r := range rows {
		list[i] = wayRow{
			r.Kind, r.ID, r.From.Hex(), r.Nonce, r.State, r.Cancel, r.Rung, r.Rungs,
			r.Fee.MaxFeePerGas, r.Fee.MaxPriorityFeePerGas, r.TxHash, r.Since, r.Reason,
		}
	}
	return list
}

const (
	wayShown = 50  // transactions that the table of confirm shows
	wayWidth = 100 // characters in its lines on a terminal that does not say how many it has
	wayID    = 16  // characters of an id there
	wayWhy   = 20  // characters of a reason that stands in the line; others stand below
)

// wayTable shows what is on its way. On a terminal long ids and reasons are cut:
// withdraw show and --json have all of them.
func wayTable(s *Station, out io.Writer, rows []payout.Row) {
	if len(rows) == 0 {
		return
	}
	heading := []string{"ID", "AGE", "SENDER", "NONCE", "RUNG", "GWEI", "STATE", "REASON"}
	cells := make([][]string, 0, min(len(rows), wayShown))
	for _, r := range rows[:min(len(rows), wayShown)] {
		cells = append(cells, wayCells(r, s.Now(), s.OutTerminal))
	}
	if s.OutTerminal {
		fitReason(heading, cells, cmp.Or(s.OutColumns, wayWidth))
	}
	t := s.Table(out, heading...)
	for _, row := range cells {
		list := make([]any, len(row))
		for i, c := range row {
			list[i] = c
		}
		t.Row(list...)
	}
	t.Close()
	if len(rows) > wayShown {
		s.Note("and %d more: airlock confirm --json lists all", len(rows)-wayShown)
	}
}

func wayCells(r payout.Row, now time.Time, short bool) []string {
	id, from, state := r.ID, r.From.Hex(), string(r.State)
	if r.Kind != wallet.IntentWithdrawal {
		id = string(r.Kind) // their ids are sender and nonce
	}
	if r.Cancel {
		state = "cancel " + state
	}
	id = cli.Clean(id)
	if short {
		id, from = cut(id, wayID), from[:6]+"…"+from[len(from)-4:]
	}
	rung := "-"
	if r.Rungs > 0 {
		rung = fmt.Sprintf("%d/%d", r.Rung, r.Rungs)
	}
	return []string{id, age(now.Sub(r.Since)), from, fmt.Sprint(r.Nonce), rung, r.Fee.MaxFeePerGas.Decimal(9), state, cli.Clean(r.Reason)}
}

// fitReason cuts reasons so that lines fit a terminal. Where little is left for
// them the table puts them below, in lines of their own.
func fitReason(heading []string, cells [][]string, width int) {
	last := len(heading) - 1
	left := width
	for column := range last {
		widest := utf8.RuneCountInString(heading[column])
		for _, row := range cells {
			widest = max(widest, utf8.RuneCountInString(row[column]))
		}
		left -= widest + 2
	}
	if left < wayWhy {
		left = width - len("    reason ")
	}
	for _, row := range cells {
		row[last] = cut(row[last], left)
	}
}

// cut is the beginning of a text that is longer than n characters.
func cut(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}

// age is a duration in its two largest units: 45s, 12m30s, 3h20m, 2d4h.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
}
