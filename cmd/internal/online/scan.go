package online

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/airlock-wallet/airlock/cmd/internal/cli"
	"github.com/airlock-wallet/airlock/scanner"
	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/chain"
)

// scanRange is which blocks scan was asked to read again.
type scanRange struct {
	set      bool
	from, to uint64
}

func newScan(s *Station) *cobra.Command {
	var (
		follow bool
		again  scanRange
		risks  []string
	)
	c := &cobra.Command{
		Use:   "scan",
		Short: "Read the chain: deposits, and what our addresses sent",
		Long: `Read the chain from where it was read last to its head. Deposits are recorded as
pending, and credited once their block is final enough; what a reorganisation
undid is undone. It may be stopped at any time and run twice at once.

With two or more endpoints, two must hold the same block before anything up to
it is credited. While they do not, blocks are read and deposits stay pending:
the exit code is 5 if an endpoint is out of reach or behind, 1 if they
contradict each other.

With --follow it goes on with every new block, told by the endpoint where there
is one over WebSocket. What may pass by itself, such as an endpoint or a quorum
that is missing, is told and tried again.

Coin that contracts move is found where an endpoint traces calls
(debug_traceBlockByHash or trace_block), and credited only as far as balances
before and after the block prove it (eth_getProof). What is not proven is kept in
quarantine, told, and proven when its block is read again. "tracing = false" in
config.toml asks for no traces.

With --from it reads old blocks again and records what is missing: after a token
was added, for example. What is right does not change.

Blocks that became final are read a second time, from another endpoint where
there is one. What only that finds is recorded, credited, and an alarm. So is a
chain whose final block is too old (finality_alarm in config.toml, 1h): nothing
is credited by it. Alarms are shown by status until they are over; while one
stands the exit code is 1, and following goes on.

A final block that is another one now stops everything on that chain until the
endpoints have the old one again. Where the chain really changed,
--accept-risk=` + scanner.RiskFinalChanged + ` follows it: deposits in the blocks that left are
orphaned and taken back, accounts that have spent them are frozen.`,
		Example: `  airlock scan
  airlock scan --follow
  airlock scan --from 19000000 --to 19001000`,
		RunE: func(c *cobra.Command, _ []string) error {
			accept, err := acceptRisk(risks, scanner.RiskFinalChanged)
			if err != nil {
				return err
			}
			again.set = c.Flags().Changed("from")
			switch {
			case again.set && follow:
				return wallet.As(wallet.ErrUsage, "--from reads old blocks, --follow new ones: give one of them")
			case !again.set && c.Flags().Changed("to"):
				return wallet.As(wallet.ErrUsage, "--to wants --from")
			case accept && (follow || again.set):
				return wallet.As(wallet.ErrUsage, "--accept-risk goes with a scan to the head: leave out --follow and --from")
			}
			return runScan(c.Context(), s, follow, accept, again)
		},
	}
	c.Flags().BoolVar(&follow, "follow", false, "go on until interrupted")
	c.Flags().Uint64Var(&again.from, "from", 0, "read again from this `block` on")
	c.Flags().Uint64Var(&again.to, "to", 0, "read again up to this `block`; 0 for all that was read")
	cli.RiskFlag(c, &risks, scanner.RiskFinalChanged)
	return c
}

// scanResult is what was read, as programs read it.
type scanResult struct {
	ChainID   uint64 `json:"chain_id"`
	From      uint64 `json:"from"`
	To        uint64 `json:"to"` // below from if nothing was read
	Blocks    uint64 `json:"blocks"`
	Deposits  int    `json:"deposits"` // seen for the first time, or in another block
	Confirmed int    `json:"confirmed"`
	Orphaned  int    `json:"orphaned"`
	Mined     int    `json:"mined"` // transactions of ours
	Undone    uint64 `json:"undone"`
	Behind    bool   `json:"behind"`
	Malformed int    `json:"malformed"`
	Unread    int    `json:"unread"`
	// UnprovenBlocks counts blocks whose content is the endpoints' word alone.
	UnprovenBlocks uint64 `json:"unproven_blocks"`
	// Residuals counts coin that reached or left addresses of ours without being
	// seen, and was found and proven by its balances.
	Residuals int `json:"residuals"`
	// Uncompared is why balances were not compared although it was due, or empty.
	Uncompared string `json:"uncompared"`
	// Unproven is coin inside blocks that no balance proof confirmed: in quarantine.
	Unproven int `json:"unproven"`
	// Untraceable counts where a trace does not add up to proven balances, and
	// Untraced are the first of them.
	Untraceable int           `json:"untraceable"`
	Untraced    []untracedRow `json:"untraced"`
	// Dissent are endpoints that hold another block than a quorum of others.
	Dissent []dissentRow `json:"dissent"`
	// Unagreed is why nothing was credited although something was due, or empty.
	Unagreed string `json:"unagreed"`
	// Due is set when blocks that hold transfers of tokens which were registered
	// since are still to be read again, Overdue is why they could not be.
	Due     bool   `json:"due"`
	Overdue string `json:"overdue"`
	// Alarms are those that stand, Cleared those that this scan ended, and Found
	// is what only a second reading or a comparison of balances found.
	Alarms  []wallet.Alarm  `json:"alarms"`
	Cleared []wallet.Alarm  `json:"cleared"`
	Found   []scanner.Found `json:"found"`
}

// untracedRow is an address in a block for which a trace does not add up.
type untracedRow struct {
	Number  uint64 `json:"block_number"`
	Address string `json:"address"`
}

// dissentRow is an endpoint that contradicts others.
type dissentRow struct {
	Host   string      `json:"host"`
	Number uint64      `json:"block_number"`
	Hash   common.Hash `json:"block_hash"` // that it holds
	Agreed common.Hash `json:"agreed"`     // that the others hold
}

func newScanResult(chainID uint64, sum scanner.Summary) scanResult {
	r := scanResult{
		chainID, sum.From, sum.To, sum.Blocks, sum.Deposits, sum.Confirmed, sum.Orphaned,
		sum.Mined, sum.Undone, sum.Behind, sum.Malformed, sum.Unread, sum.UnprovenBlocks,
		sum.Residuals,
		"",
		sum.Unproven, sum.Untraceable,
		[]untracedRow{},
		[]dissentRow{},
		"", sum.Due, "",
		append([]wallet.Alarm{}, sum.Alarms...), append([]wallet.Alarm{}, sum.Cleared...), append([]scanner.Found{}, sum.Found...),
	}
	for _, u := range sum.Untraced {
		r.Untraced = append(r.Untraced, untracedRow{u.Block, u.Address.Hex()})
	}
	for _, v := range sum.Dissent {
		for _, d := range v.Differ {
			r.Dissent = append(r.Dissent, dissentRow{d.Host, v.Number, d.Hash, v.Hash})
		}
	}
	if sum.Uncompared != nil {
		r.Uncompared = sum.Uncompared.Error()
	}
	if sum.Unagreed != nil {
		r.Unagreed = sum.Unagreed.Error()
	}
	if sum.Overdue != nil {
		r.Overdue = sum.Overdue.Error()
	}
	return r
}

func runScan(ctx context.Context, s *Station, follow, accept bool, again scanRange) error {
	if follow {
		id, sum, err := followScan(ctx, s, func() {})
		if err != nil {
			return err
		}
		return printScan(s, id, sum)
	}
	c, client, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	bar := scanProgress{s: s}
	scan, err := s.scanner(c, client, bar.show)
	if err != nil {
		return err
	}
	var sum scanner.Summary
	switch {
	case again.set:
		sum, err = scan.Rescan(ctx, again.from, again.to)
	case accept:
		sum, err = scan.AcceptFinal(ctx)
	default:
		sum, err = scan.Pass(ctx)
	}
	bar.end()
	warnScan(s, sum)
	noteEnded(s, sum.Cleared)
	var alarm *wallet.AlarmError
	if !errors.As(err, &alarm) && !errors.Is(err, scanner.ErrFinalChanged) {
		alarmsTold{}.note(s, sum.Alarms)
	}
	if err != nil && sum.Unagreed == nil && sum.Overdue == nil && len(sum.Alarms) == 0 {
		return err
	}
	// Without a quorum, and under an alarm, blocks were read all the same.
	return errors.Join(printScan(s, c.ID, sum), err)
}

func (s *Station) scanner(c wallet.Chain, client *chain.Client, progress func(at scanner.Phase, done, total uint64)) (*scanner.Scanner, error) {
	o, err := s.scanOptions(c.ID)
	o.Progress = progress
	return scanner.New(s.Store(), client, c.ID, o), err
}

func printScan(s *Station, id uint64, sum scanner.Summary) error {
	return s.Print(newScanResult(id, sum), func(w io.Writer) { fmt.Fprintln(w, scanLine(sum)) })
}

// followScan scans until it is interrupted, and returns what was done in all
// and on which chain. moved is called when more of it was read. What may pass by
// itself is told and tried again.
func followScan(ctx context.Context, s *Station, moved func()) (id uint64, total scanner.Summary, err error) {
	var c wallet.Chain
	var client *chain.Client
	if err := patiently(ctx, s, func() (err error) {
		c, client, err = s.connect(ctx)
		return err
	}); err != nil {
		return c.ID, total, unlessEnded(ctx, err)
	}
	defer client.Close()
	bar := scanProgress{s: s}
	defer bar.end()
	scan, err := s.scanner(c, client, bar.show)
	if err != nil {
		return c.ID, total, err
	}
	told := alarmsTold{}
	err = scan.Follow(ctx, func(sum scanner.Summary, err error) error {
		bar.end()
		total = total.Plus(sum)
		if sum.Blocks > 0 || sum.Undone > 0 {
			moved()
		}
		if ctx.Err() != nil {
			return err // broken off before it knew how things stand
		}
		warnScan(s, sum)
		noteEnded(s, sum.Cleared)
		told.note(s, sum.Alarms)
		var alarm *wallet.AlarmError
		switch {
		case errors.Is(err, scanner.ErrFinalChanged): // which is an alarm
			return nil
		case err == nil, errors.As(err, &alarm):
			if sum.Blocks > 0 || sum.Confirmed > 0 || sum.Orphaned > 0 {
				s.Note("%s", scanLine(sum))
			}
			return nil
		case passing(err):
			s.Note("%v; trying again", err)
			return nil
		}
		return err
	})
	return c.ID, total, unlessEnded(ctx, err)
}

func scanLine(sum scanner.Summary) string {
	line := fmt.Sprintf("read to block %d: nothing new", sum.To)
	if n := plural(int(sum.Blocks), "block", "blocks"); sum.Blocks > 0 && sum.From > sum.To { //nolint:gosec // a count
		line = fmt.Sprintf("read %s again", n)
	} else if sum.Blocks > 0 {
		line = fmt.Sprintf("read %s, %d to %d", n, sum.From, sum.To)
	}
	line += fmt.Sprintf("; %s seen, %d confirmed", plural(sum.Deposits, "deposit", "deposits"), sum.Confirmed)
	if sum.Undone > 0 {
		line += fmt.Sprintf("; %s left the chain, %s orphaned", plural(int(sum.Undone), "block", "blocks"), plural(sum.Orphaned, "deposit", "deposits")) //nolint:gosec // a count
	}
	return line
}

// warnScan says what an operator should know beside the counts.
func warnScan(s *Station, sum scanner.Summary) {
	if sum.Behind {
		s.Note("an endpoint is behind what was read before or what another one told; nothing was credited from it")
	}
	for _, v := range sum.Dissent {
		for _, d := range v.Differ {
			s.Note("endpoint %s contradicts the others: block %d is %s there, and %s at %s, which counts", d.Host, v.Number, d.Hash, v.Hash, strings.Join(v.Agree, " and "))
		}
	}
	for _, r := range sum.Unseen {
		what := fmt.Sprintf("%s wei reached %s", r.Amount, r.Address)
		if r.Amount.Sign() < 0 {
			what = fmt.Sprintf("%s wei left %s", r.Amount.Neg(), r.Address)
		}
		if r.Traced {
			what += ", and the trace did not show it,"
		}
		s.Note("%s in block %d unseen; the balances before and after it prove it", what, r.BlockNumber)
	}
	if sum.Uncompared != nil {
		s.Note("balances could not be compared with the books: %v; the next pass asks again", sum.Uncompared)
	}
	if sum.Due && sum.Overdue == nil {
		s.Note("more blocks hold transfers of tokens that were registered since; the next scan goes on with them")
	}
	if sum.Malformed > 0 {
		s.Note("%s of registered tokens could not be read and moved nothing in the books", plural(sum.Malformed, "Transfer log", "Transfer logs"))
	}
	if sum.UnprovenBlocks > 0 {
		s.Note("the content of %s was taken as the endpoints say it (unproven = true in %s); deposits found there say so",
			plural(int(sum.UnprovenBlocks), "block", "blocks"), configFile) //nolint:gosec // a count
	}
	if sum.Unread > 0 {
		s.Note("%s of a type that is not known here: coin that they moved is seen only where an endpoint traces", plural(sum.Unread, "transaction is", "transactions are"))
	}
	if sum.Unproven > 0 {
		s.Note("coin moved inside contracts to %s in a block, by the word of a node that did not prove the balances: it is in no book; scan --from reads the blocks again, with an endpoint that knows eth_getProof", plural(sum.Unproven, "address", "addresses"))
	}
	for _, u := range sum.Untraced {
		s.Note("in block %d the trace of calls does not add up to what %s gained or lost: the proven difference counts", u.Block, u.Address)
	}
	if more := sum.Untraceable - len(sum.Untraced); more > 0 {
		s.Note("and so it is %s more", plural(more, "time", "times"))
	}
}

// scanProgress shows how far a pass is with what it is at.
type scanProgress struct {
	s     *Station
	at    scanner.Phase
	total uint64
	bar   *cli.Progress
}

func (p *scanProgress) show(at scanner.Phase, done, total uint64) {
	if p.bar == nil || at != p.at || total != p.total {
		p.end()
		p.at, p.total, p.bar = at, total, p.s.Progress(string(at), total)
	}
	p.bar.Set(done)
}

func (p *scanProgress) end() {
	if p.bar != nil {
		p.bar.End()
	}
	p.bar = nil
}
