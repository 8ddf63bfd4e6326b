package online

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/book"
	"github.com/airlock-wallet/airlock/wallet/store"
)

// oldAddresses is what address import was asked for.
type oldAddresses struct {
	list    []string
	path    string
	account string
	file    string
	again   scanRange
}

func newAddressImport(s *Station) *cobra.Command {
	var o oldAddresses
	c := &cobra.Command{
		Use:   "import {ADDRESS... --path PATH | --file FILE.csv}",
		Short: "Watch addresses that were in use before",
		Long: `Watch addresses of the vault that were in use before this home knew them: all of
those named, or none. They are at a path of the watch file, which is proven, or
--path imported says that their keys were imported into the vault, which only
airlock-signer address check can prove. What arrives is credited to --account, or
to the house. Sweeps leave imported keys alone.

What lies there now is an opening balance of the house. To credit what arrived
lately instead, blocks are read again: from --from on, or else from a block that
is asked for on a terminal; without one the command to run later is shown. What
lay there before that block stays an opening balance, which the next scan books.

A file has the columns address, path and account, in any order; account may be
empty. Importing again changes nothing. Deposit addresses with a lower index
than one that is imported are not handed out any more, but can be imported.`,
		Example: `  airlock address import 0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359 --path "m/44'/60'/0'/0/7" --account alice --from 19000000
  airlock address import --file old-addresses.csv`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			o.list, o.again.set = args, c.Flags().Changed("from")
			return runAddressImport(c.Context(), s, o)
		},
	}
	c.Flags().StringVar(&o.path, "path", "", "BIP-32 `path` of the address, or imported")
	c.Flags().StringVar(&o.account, "account", "", "`account` that deposits credit; the house if it is not given")
	c.Flags().StringVar(&o.file, "file", "", "CSV `file` of addresses instead")
	c.Flags().Uint64Var(&o.again.from, "from", 0, "read again from this `block` on")
	return c
}

// parse gives the addresses that were named, or those of the file.
func (o *oldAddresses) parse() ([]book.OldAddress, error) {
	switch {
	case (o.file == "") == (len(o.list) == 0):
		return nil, wallet.As(wallet.ErrUsage, "name addresses or a --file, one of both")
	case o.file != "" && (o.path != "" || o.account != ""):
		return nil, wallet.As(wallet.ErrUsage, "the file says path and account of each address: --path and --account cannot be given too")
	case o.file != "":
		f, err := os.Open(o.file)
		if err != nil {
			return nil, wallet.As(wallet.ErrUsage, "%w", err)
		}
		defer f.Close()
		return book.ReadOldAddresses(filepath.Base(o.file), f)
	case o.path == "":
		return nil, wallet.WithHint(wallet.As(wallet.ErrUsage, "where are the keys? --path is missing"),
			"give the BIP-32 path, or --path imported for keys that were imported into the vault")
	}
	path, err := wallet.ParsePath(o.path)
	if err != nil {
		return nil, wallet.As(wallet.ErrUsage, "--path: %w", err)
	}
	if len(o.list) > 1 && !path.Imported {
		return nil, wallet.WithHint(wallet.As(wallet.ErrUsage, "%d addresses cannot all be at %s", len(o.list), path), "--file takes a path for each")
	}
	var list []book.OldAddress
	for _, text := range o.list {
		a, err := wallet.ParseAddress(text)
		if err != nil {
			return nil, wallet.As(wallet.ErrUsage, "%w", err)
		}
		list = append(list, book.OldAddress{Address: a, Path: path, Account: o.account})
	}
	return list, nil
}

// rescanRow is from where on a chain can be read again.
type rescanRow struct {
	ChainID uint64 `json:"chain_id"`
	Block   uint64 `json:"block_number"`
}

type addressImportResult struct {
	Addresses  []addressRow `json:"addresses"`
	New        int          `json:"new"`
	Known      int          `json:"known"` // were there before in the same words
	RescanFrom []rescanRow  `json:"rescan_from"`
	Scan       *scanResult  `json:"scan"` // null if nothing was read again
}

func runAddressImport(ctx context.Context, s *Station, o oldAddresses) error {
	list, err := o.parse()
	if err != nil {
		return err
	}
	var again *rescan
	if o.again.set { // what would fail fails before anything is written
		if again, err = newRescan(ctx, s, o.again.from); err != nil {
			return err
		}
		defer again.close()
	}
	made, added, err := s.Book().ImportOld(ctx, list)
	if err != nil {
		return err
	}
	res := addressImportResult{Addresses: addressRows(made), New: added, Known: len(made) - added, RescanFrom: []rescanRow{}}
	if added > 0 {
		if res.RescanFrom, err = rescannable(ctx, s); err != nil {
			return err
		}
	}
	if again == nil && len(res.RescanFrom) == 1 {
		if again, err = askRescan(ctx, s, res.RescanFrom[0]); again != nil {
			defer again.close()
		}
	}
	if again != nil {
		var sum scanner.Summary
		sum, err = again.run(ctx)
		row := newScanResult(again.chain, sum)
		res.Scan, res.RescanFrom = &row, without(res.RescanFrom, again.chain, err)
	}
	return errors.Join(s.Print(res, func(w io.Writer) { printAddressImport(s, w, res) }), err)
}

// without leaves out the chain that was read again.
func without(list []rescanRow, chain uint64, err error) []rescanRow {
	kept := []rescanRow{}
	for _, r := range list {
		if r.ChainID != chain || err != nil {
			kept = append(kept, r)
		}
	}
	return kept
}

// rescannable says from where on each chain of the home was read; with --chain
// only that one.
func rescannable(ctx context.Context, s *Station) (list []rescanRow, err error) {
	err = s.Store().View(ctx, func(tx store.Tx) error {
		list = []rescanRow{}
		chains, err := store.Chains(tx)
		if err != nil {
			return err
		}
		for _, c := range chains {
			first := max(c.StartBlock, 1)
			cursor, read, err := store.ReadCursor(tx, c.ID)
			if err != nil {
				return err
			}
			if read && cursor.Head >= first && (s.ChainID == 0 || s.ChainID == c.ID) {
				list = append(list, rescanRow{c.ID, first})
			}
		}
		return nil
	})
	return list, err
}

// askRescan asks on the terminal from which block on a chain is to be read
// again. It is nil where there is no terminal, and where that is not wanted.
func askRescan(ctx context.Context, s *Station, first rescanRow) (*rescan, error) {
	if s.JSON {
		return nil, nil
	}
	typed, err := s.Ask(fmt.Sprintf("Chain %d was read from block %d on, without what was imported now.\nFrom which block on is it to be read again? Nothing for not now", first.ChainID, first.Block))
	if typed = strings.TrimSpace(typed); err != nil || typed == "" {
		return nil, ctx.Err() // there is no terminal, or it was left
	}
	from, err := strconv.ParseUint(typed, 10, 64)
	if err != nil {
		return nil, wallet.WithHint(wallet.As(wallet.ErrUsage, "%.40q is no block number", typed), "the addresses are watched; airlock scan --from N reads the chain again")
	}
	s.ChainID = first.ChainID
	return newRescan(ctx, s, from)
}

// rescan is what reads a chain again.
type rescan struct {
	s     *Station
	chain uint64
	from  uint64
	scan  *scanner.Scanner
	bar   scanProgress
	close func()
}

// newRescan connects to the command's chain, of which the block must have been
// read.
func newRescan(ctx context.Context, s *Station, from uint64) (*rescan, error) {
	c, client, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	r := &rescan{s: s, chain: c.ID, from: from, bar: scanProgress{s: s}, close: client.Close}
	if r.scan, err = s.scanner(c, client, r.bar.show); err == nil {
		err = r.scan.CheckRescan(ctx, from, 0)
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	return r, nil
}

func (r *rescan) run(ctx context.Context) (scanner.Summary, error) {
	sum, err := r.scan.Rescan(ctx, r.from, 0)
	r.bar.end()
	warnScan(r.s, sum)
	noteEnded(r.s, sum.Cleared)
	alarmsTold{}.note(r.s, sum.Alarms)
	return sum, wallet.WithHint(err, "the addresses are watched; airlock scan --from %d reads the chain again", r.from)
}

func printAddressImport(s *Station, w io.Writer, res addressImportResult) {
	printAddresses(s, w, res.Addresses)
	s.Note("%d imported, %d known before", res.New, res.Known)
	if res.Scan != nil {
		s.Note("blocks %d to %d were read again: %s found, %d confirmed; airlock scan books what lay there before",
			res.Scan.From, res.Scan.To, plural(res.Scan.Deposits, "deposit", "deposits"), res.Scan.Confirmed)
	}
	for _, r := range res.RescanFrom {
		s.Note("what arrived on chain %d before now is credited to nobody; to credit it: airlock scan --chain %d --from N, with N from %d on", r.ChainID, r.ChainID, r.Block)
	}
	for _, a := range res.Addresses {
		if a.Path.Imported {
			s.Note("whether the vault has imported keys is not known here: airlock-signer address check proves it, of a list that airlock address list --role external --json prints")
			break
		}
	}
}
