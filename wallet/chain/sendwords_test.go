package chain

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/ethereum/go-ethereum/rpc"
	"pgregory.net/rapid"

	"github.com/airlock-wallet/airlock/wallet"
)

// said is an answer to eth_sendRawTransaction as clients and providers word it.
type said struct {
	client string
	code   int
	text   string
	want   SendResult
}

// sayings were collected from the clients' sources and from reports in their
// issues and in those of programs that use them. A version stands where the
// words changed.
var sayings = []said{
	// geth: core/txpool/errors.go, core/error.go and where they are wrapped, v1.17.8
	{"geth", -32000, "already known", SendAlreadyKnown},
	{"geth", -32000, "nonce too low: next nonce 5, tx nonce 4", SendNonceTooLow},
	{"geth", -32000, "nonce too low: address 0x0499BEA33347cb62D79A9C0b1EDA01d8d329894c, tx: 4 state: 5", SendNonceTooLow},
	{"geth", -32000, "nonce too high: address 0x0499BEA33347cb62D79A9C0b1EDA01d8d329894c, tx: 9 state: 5", SendNonceTooHigh},
	{"geth", -32000, "nonce too high: tx nonce 9, gapped nonce 5", SendNonceTooHigh},
	{"geth", -32000, "gapped-nonce tx from delegated accounts", SendNonceTooHigh},
	{"geth", -32000, "replacement transaction underpriced", SendNotReplacing},
	{"geth", -32000, "replacement transaction underpriced: new tx gas fee cap 1 <= 2 queued", SendNotReplacing},
	{"geth", -32000, "transaction underpriced", SendUnderpriced},
	{"geth 1.13", -32000, "transaction underpriced: tip needed 1, tip permitted 0", SendUnderpriced},
	{"geth", -32000, "transaction gas price below minimum: gas tip cap 0, minimum needed 1", SendUnderpriced},
	{"geth", -32000, "max fee per gas less than block base fee: address 0x0499BEA33347cb62D79A9C0b1EDA01d8d329894c, maxFeePerGas: 1, baseFee: 7", SendUnderpriced},
	{"geth", -32000, "txpool is full", SendPoolFull},
	{"geth", -32000, "out of capacity", SendPoolFull},
	{"geth", -32000, "account limit exceeded: pooled 16 txs", SendPoolFull},
	{"geth", -32000, "future transaction tries to replace pending", SendPoolFull},
	{"geth", -32000, "in-flight transaction limit reached for delegated accounts", SendPoolFull},
	{"geth", -32000, "address already reserved", SendPoolFull},
	{"geth", -32000, "authority already reserved", SendPoolFull},
	{"geth", -32000, "insufficient funds for gas * price + value: balance 0, tx cost 1, overshot 1", SendInsufficient},
	{"geth", -32000, "insufficient funds for gas * price + value: balance 9, queued cost 5, tx cost 6, overshot 2", SendInsufficient},
	{"geth", -32000, "insufficient funds for transfer", SendInsufficient},
	{"geth", -32000, "intrinsic gas too low: gas 1, minimum needed 21000", SendRejected},
	{"geth", -32000, "insufficient gas for floor data gas cost: gas 21000, minimum needed 21040", SendRejected},
	{"geth", -32000, "exceeds block gas limit", SendRejected},
	{"geth", -32000, "transaction gas limit too high (cap: 16777216, tx: 30000000)", SendRejected},
	{"geth", -32000, "invalid sender: invalid chain id for signer: have 5 want 1", SendRejected},
	{"geth", -32000, "invalid sender", SendRejected},
	{"geth", -32000, "negative value", SendRejected},
	{"geth", -32000, "gas uint64 overflow", SendRejected},
	{"geth", -32000, "nonce has max value: address 0x0499BEA33347cb62D79A9C0b1EDA01d8d329894c, nonce: 18446744073709551615", SendRejected},
	{"geth", -32000, "sender not an eoa: address 0x0499BEA33347cb62D79A9C0b1EDA01d8d329894c, codehash: 0x01", SendRejected},
	{"geth", -32000, "max priority fee per gas higher than max fee per gas", SendRejected},
	{"geth", -32000, "only replay-protected (EIP-155) transactions allowed over RPC", SendRejected},
	{"geth", -32000, "tx fee (1.10 ether) exceeds the configured cap (1.00 ether)", SendRejected},
	{"geth", -32000, "transaction type not supported", SendRejected},
	{"geth", -32000, "typed transaction too short", SendRejected},
	{"geth", -32000, "oversized data: transaction size 140000, limit 131072", SendRejected},
	{"geth", -32000, "max initcode size exceeded: code size 50000, limit 49152", SendRejected},
	{"geth", -32000, "rlp: value size exceeds available input length", SendRejected},
	{"geth 1.9", -32000, "known transaction: 0x7f657507aee0511e36d2d1972a6b22e917cc89f92b6c12c4dbd57eaabb236960", SendAlreadyKnown},

	// bsc, bor, op-geth and other relatives of geth: issues 2387 and 2778 of
	// bnb-chain/bsc, and reports of Polygon's floor
	{"bsc", -32000, "transaction underpriced: gas tip cap 1000000000, minimum needed 3000000000", SendUnderpriced},
	{"bsc", -32000, "transaction underpriced: tip needed 3000000000, tip permitted 1000000000", SendUnderpriced},
	{"bor", -32000, "transaction gas price below minimum: gas tip cap 1500000000, minimum needed 25000000000", SendUnderpriced},
	{"avalanche", -32000, "nonce too low: address 0x0499BEA33347cb62D79A9C0b1EDA01d8d329894c current nonce (5833) > tx nonce (5511)", SendNonceTooLow},
	{"optimism before bedrock", -32000, "invalid transaction: nonce too low", SendNonceTooLow},
	{"optimism before bedrock", -32000, "invalid transaction: insufficient funds for gas * price + value", SendInsufficient},
	{"optimism before bedrock", -32000, "fee too low: 30365610000000, use at least tx.gasLimit = 5874374 and tx.gasPrice = 15000000", SendUnderpriced},
	{"optimism before bedrock", -32000, "fee too high: 5835750750000000, use less than 467550750000000 * 0.700000", SendRejected},
	{"metis", -32000, "gas price too low: 1000000000 wei, use at least tx.gasPrice = 14000000000 wei", SendUnderpriced},
	{"klaytn", -32000, "there is another tx which has the same nonce in the tx pool", SendNotReplacing},
	{"harmony", -32000, "transaction already finalized", SendNonceTooLow},

	// erigon: txpoolcfg.DiscardReason, after the name of an ImportResult
	{"erigon", -32000, "ALREADY_EXISTS: already known", SendAlreadyKnown},
	{"erigon", -32000, "INTERNAL_ERROR: existing tx with same hash", SendAlreadyKnown},
	{"erigon", -32000, "INTERNAL_ERROR: could not replace existing tx", SendNotReplacing},
	{"erigon", -32000, "FEE_TOO_LOW: replacement transaction underpriced", SendNotReplacing},
	{"erigon", -32000, "FEE_TOO_LOW: underpriced", SendUnderpriced},
	{"erigon", -32000, "fee too low", SendUnderpriced},
	{"erigon", -32000, "INTERNAL_ERROR: nonce too low", SendNonceTooLow},
	{"erigon", -32000, "INTERNAL_ERROR: insufficient funds", SendInsufficient},
	{"erigon", -32000, "INTERNAL_ERROR: pending sub-pool is full", SendPoolFull},
	{"erigon", -32000, "INTERNAL_ERROR: queued sub-pool is full", SendPoolFull},
	{"erigon", -32000, "INTERNAL_ERROR: baseFee sub-pool is full", SendPoolFull},
	{"erigon", -32000, "INTERNAL_ERROR: spammer", SendPoolFull},
	{"erigon", -32000, "INTERNAL_ERROR: IntrinsicGas", SendRejected},
	{"erigon", -32000, "INTERNAL_ERROR: GasUintOverflow", SendRejected},
	{"erigon", -32000, "INTERNAL_ERROR: RLPTooLong", SendRejected},
	{"erigon", -32000, "INTERNAL_ERROR: gas limit is too high", SendRejected},
	{"erigon", -32000, "INVALID: invalid sender", SendRejected},

	// nethermind: TxPool/AcceptTxResult.cs to 1.36, and TxPoolErrorMessages.cs since
	{"nethermind 1.25", -32010, "AlreadyKnown", SendAlreadyKnown},
	{"nethermind 1.14", -32010, "OwnNonceAlreadyUsed", SendNotReplacing},
	{"nethermind 1.25", -32010, "ReplacementNotAllowed", SendNotReplacing},
	{"nethermind 1.25", -32010, "OldNonce, Current nonce: 5, nonce of rejected tx: 4", SendNonceTooLow},
	{"nethermind 1.25", -32010, "NonceGap, Future nonce. Expected nonce: 5", SendNonceTooHigh},
	{"nethermind 1.25", -32010, "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 7, MaxPriorityFeePerGas:1, Block number: 9", SendUnderpriced},
	{"nethermind 1.25", -32010, "FeeTooLow, EffectivePriorityFeePerGas too low 1 < 2, BaseFee: 7", SendUnderpriced},
	{"nethermind 1.25", -32010, "FeeTooLowToCompete", SendUnderpriced},
	{"nethermind 1.25", -32010, "InsufficientFunds, Account balance: 0, cumulative cost: 1", SendInsufficient},
	{"nethermind 1.25", -32010, "GasLimitExceeded, Gas limit: 30000000, gas limit of rejected tx: 40000000", SendRejected},
	{"nethermind 1.25", -32010, "SenderIsContract", SendRejected},
	{"nethermind 1.25", -32010, "FailedToResolveSender", SendRejected},
	{"nethermind 1.25", -32010, "Int256Overflow", SendRejected},
	{"nethermind 1.25", -32010, "PendingTxsOfConflictingType", SendPoolFull},
	{"nethermind", -32010, "transaction underpriced, MaxFeePerGas too low", SendUnderpriced},
	{"nethermind", -32010, "replacement transaction underpriced", SendNotReplacing},
	{"nethermind", -32010, "nonce too far in future", SendNonceTooHigh},
	{"nethermind", -32010, "delegation nonce gap", SendNonceTooHigh},
	{"nethermind", -32010, "delegation authority has pending transaction", SendPoolFull},
	{"nethermind", -32010, "pending transaction type conflict", SendPoolFull},
	{"nethermind", -32010, "gas limit reached", SendRejected},
	{"nethermind", -32010, "failed to recover sender", SendRejected},
	{"nethermind", -32010, "transaction cost overflow", SendRejected},
	{"nethermind", -32010, "unsupported transaction type", SendRejected},
	{"nethermind", -32010, "transaction too large", SendRejected},
	{"nethermind", -32010, "node is syncing", SendUnknown},

	// besu: RpcErrorType.java. Its codes are those of rate limits and of missing
	// methods elsewhere.
	{"besu", -32000, "Known transaction", SendAlreadyKnown},
	{"besu", -32000, "Replacement transaction underpriced", SendNotReplacing},
	{"besu", -32001, "Nonce too low", SendNonceTooLow},
	{"besu", -32001, "transaction nonce 4 below sender account nonce 5", SendNonceTooLow},
	{"besu", -32006, "Nonce too high", SendNonceTooHigh},
	{"besu", -32000, "Transaction nonce is too distant from current sender nonce", SendNonceTooHigh},
	{"besu", -32000, "An invalid transaction with a lower nonce exists", SendNonceTooHigh},
	{"besu", -32004, "Upfront cost exceeds account balance", SendInsufficient},
	{"besu", -32009, "Gas price below configured minimum gas price", SendUnderpriced},
	{"besu", -32009, "Gas price below current base fee", SendUnderpriced},
	{"besu", -32002, "Invalid signature", SendRejected},
	{"besu", -32003, "Intrinsic gas exceeds gas limit", SendRejected},
	{"besu", -32005, "Transaction gas limit exceeds block gas limit", SendRejected},
	{"besu", -32007, "Sender account not authorized to send transactions", SendRejected},
	{"besu", -32602, "Invalid transaction type", SendRejected},
	{"besu", -32000, "Wrong chainId", SendRejected},
	{"besu", -32000, "Transaction fee cap exceeded", SendRejected},
	{"besu", -32000, "Max priority fee per gas exceeds max fee per gas", SendRejected},
	{"besu", -32002, "Transaction pool not enabled. (Either txpool explicitly disabled, or node not yet in sync).", SendUnknown},

	// reth: RpcPoolError and RpcInvalidTransactionError
	{"reth", -32000, "already known", SendAlreadyKnown},
	{"reth", -32000, "txpool is full", SendPoolFull},
	{"reth", -32000, "nonce too low: next nonce 2, tx nonce 1", SendNonceTooLow},
	{"reth", -32003, "insufficient funds for gas * price + value: have 1 want 2", SendInsufficient},
	{"reth", -32000, "max fee per gas less than block base fee", SendUnderpriced},
	{"reth", -32003, "transaction priority fee below minimum required priority fee 1000000", SendUnderpriced},
	{"reth", -32000, "intrinsic gas too high", SendRejected},
	{"reth", -32003, "gas limit too high", SendRejected},
	{"reth", -32003, "sender is not an EOA", SendRejected},
	{"reth", -32000, "invalid chain ID", SendRejected},
	{"reth", -32602, "failed to decode signed transaction", SendRejected},

	// anvil: eth/error.rs
	{"anvil", -32003, "transaction already imported", SendAlreadyKnown},
	{"anvil", -32603, "Tx: [0x7f657507aee0511e36d2d1972a6b22e917cc89f92b6c12c4dbd57eaabb236960] already Imported", SendAlreadyKnown},
	{"anvil", -32603, "Tx: [0x7f657507aee0511e36d2d1972a6b22e917cc89f92b6c12c4dbd57eaabb236960] insufficient gas price to replace existing transaction", SendNotReplacing},
	{"anvil", -32003, "Insufficient funds for gas * price + value", SendInsufficient},
	{"anvil", -32003, "max fee per gas less than block base fee", SendUnderpriced},
	{"anvil", -32003, "Transaction gas limit is greater than the block gas limit, gas_limit: 40000000, cap: 30000000", SendRejected},
	{"anvil", -32602, "Failed to decode signed transaction", SendRejected},
	{"anvil 1.7", -32602, "Failed to decode transaction", SendRejected},

	// hardhat, ganache, ethereumjs: the mempool of EDR, and client/src/service/txpool.ts
	{"hardhat", -32000, "Nonce too high. Expected nonce to be 0 but got 1. Note that transactions can't be queued when automining.", SendNonceTooHigh},
	{"hardhat", -32000, "Transaction nonce too low. Expected nonce to be at least 5 but got 4.", SendNonceTooLow},
	{"hardhat", -32000, "Known transaction: 0x7f657507aee0511e36d2d1972a6b22e917cc89f92b6c12c4dbd57eaabb236960", SendAlreadyKnown},
	{"hardhat", -32000, "Replacement transaction underpriced. A gasPrice/maxFeePerGas of at least 22000000000 is necessary to replace the existing transaction with nonce 0.", SendNotReplacing},
	{"hardhat", -32000, "Transaction maxFeePerGas (1) is too low for the next block, which has a baseFeePerGas of 875000000", SendUnderpriced},
	{"hardhat", -32000, "Sender doesn't have enough funds to send tx. The max upfront cost is: 5 and the sender's balance is: 4.", SendInsufficient},
	{"ganache", -32000, "Transaction's maxFeePerGas (1) is less than the block's baseFeePerGas (765625000)", SendUnderpriced},
	{"ganache 6", -32000, "the tx doesn't have the correct nonce. account has nonce of: 5 tx has nonce of: 4", SendUnknown},
	{"ethereumjs", -32000, "0x7f657507aee0511e36d2d1972a6b22e917cc89f92b6c12c4dbd57eaabb236960: this transaction is already in the TxPool", SendAlreadyKnown},
	{"ethereumjs", -32000, "replacement gas too low, got tip 1000000000, min: 2200000000, got fee 1000000000, min: 2200000000", SendNotReplacing},
	{"ethereumjs", -32000, "Cannot add tx: pool is full", SendPoolFull},
	{"ethereumjs", -32000, "Cannot add tx for 0x0499BEA33347cb62D79A9C0b1EDA01d8d329894c: already have max amount of txs for this account", SendPoolFull},
	{"ethereumjs", -32000, "Tx does not pay the minimum gas price of 1000000000", SendUnderpriced},
	{"ethereumjs", -32000, "0x0499bea3 tries to send a tx with nonce 4, but account has nonce 5 (tx nonce too low)", SendNonceTooLow},
	{"ethereumjs", -32000, "0x0499bea3 does not have enough balance to cover transaction costs, need 5, but have 4 (insufficient balance)", SendInsufficient},
	{"ethereumjs", -32000, "Tx gaslimit of 40000000 exceeds block gas limit of 30000000 (exceeds last block gas limit)", SendRejected},
	{"ethereumjs", -32000, "Tx is too large (140000 bytes) and exceeds the max data size of 131072 bytes", SendRejected},

	// openethereum: rpc/src/v1/helpers/errors.rs
	{"openethereum", -32010, "Transaction with the same hash was already imported.", SendAlreadyKnown},
	{"openethereum", -32010, "Transaction nonce is too low. Try incrementing the nonce.", SendNonceTooLow},
	{"openethereum", -32010, "Transaction gas price 100wei is too low. There is another transaction with same nonce in the queue with gas price 150wei. Try increasing the gas price or incrementing the nonce.", SendNotReplacing},
	{"openethereum", -32010, "There are too many transactions in the queue. Your transaction was dropped due to limit. Try increasing the fee.", SendPoolFull},
	{"openethereum", -32010, "Transaction gas price is too low. It does not satisfy your node's minimal gas price (minimal: 100 got: 50). Try increasing the gas price.", SendUnderpriced},
	{"openethereum", -32010, "Insufficient funds. The account you tried to send transaction from does not have enough funds. Required 200 and got: 100.", SendInsufficient},
	{"openethereum", -32010, "Insufficient balance for transaction. Balance=100, Cost=200", SendInsufficient},
	{"openethereum", -32010, "Transaction gas is too low. There is not enough gas to cover minimal cost of the transaction (minimal: 100 got: 50) Try increasing supplied gas.", SendRejected},
	{"openethereum", -32010, "Transaction cost exceeds current gas limit. Limit: 50, got: 100. Try decreasing supplied gas.", SendRejected},
	{"openethereum", -32010, "Supplied gas is beyond limit.", SendRejected},
	{"openethereum", -32010, "Sender is banned in local queue.", SendRejected},
	{"openethereum", -32010, "Transaction is not permitted.", SendRejected},
	{"openethereum", -32010, "Transaction is too big, see chain specification for the limit.", SendRejected},
	{"openethereum", -32010, "Invalid signature: Crypto error (Invalid EC signature)", SendRejected},
	{"openethereum", -32602, "Invalid RLP data: RlpIsTooShort", SendRejected},

	// arbitrum: before nitro, and its sequencer
	{"arbitrum", -32000, "transaction rejected: nonce too low", SendNonceTooLow},
	{"arbitrum", -32000, "invalid transaction nonce", SendUnknown}, // too low or too high
	{"arbitrum", -32000, "gas price too low", SendUnderpriced},
	{"arbitrum", -32000, "not enough funds for gas", SendInsufficient},
	{"arbitrum", -32000, "forbidden sender address", SendRejected},
	{"arbitrum", -32000, "tx dropped due to L2 congestion", SendPoolFull},
	{"nitro", -32000, "queue full", SendPoolFull},
	{"nitro", -32000, "sequencer pending tx pool full, please try again", SendPoolFull},
	{"nitro", -32000, "max fee per gas less than block base fee: address 0x0499BEA33347cb62D79A9C0b1EDA01d8d329894c, maxFeePerGas: 1 baseFee: 100000000", SendUnderpriced},

	// others
	{"moonbeam", -32603, "submit transaction to pool failed: Pool(Stale)", SendNonceTooLow},
	{"moonbeam", -32603, "submit transaction to pool failed: Pool(AlreadyImported)", SendAlreadyKnown},
	{"conflux", -32602, "Transaction 0x4a2cfa73 is discarded due to a too stale nonce", SendNonceTooLow},
	{"conflux", -32602, "Transaction 0x4a2cfa73 is discarded due to in too distant future", SendNonceTooHigh},
	{"conflux", -32602, "tx already exist", SendAlreadyKnown},
	{"conflux", -32602, "Tx with same nonce already inserted. To replace it, you need to specify a gas price > 5", SendNotReplacing},
	{"conflux", -32602, "Transaction 0xf34740b7 is discarded due to out of balance, needs 9 but account balance is 8", SendInsufficient},
	{"cosmos", -32000, "tx already in mempool", SendAlreadyKnown},
	{"cosmos", -32000, "invalid nonce; got 4, expected 5: invalid sequence", SendUnknown},

	// providers: they pass on what their node says, and have words of their own
	// for what they do not ask it. Those are no answers.
	{"alchemy", -32000, "transaction underpriced", SendUnderpriced},
	{"alchemy", 429, "Your app has exceeded its compute units per second capacity. If you have retries enabled, you can safely ignore this message.", SendUnknown},
	{"infura", -32005, "daily request count exceeded, request rate limited", SendUnknown},
	{"infura", -32000, "in-flight transaction limit reached for delegated accounts", SendPoolFull},
	{"ankr", -32000, "INTERNAL_ERROR: could not replace existing tx", SendNotReplacing},
	{"quicknode", -32007, "50/second request limit reached - reduce calls per second or upgrade your account at quicknode.com", SendUnknown},
	{"anybody", -32601, "the method eth_sendRawTransaction does not exist/is not available", SendUnknown},
	{"anybody", -32603, "internal error", SendUnknown},
	{"anybody", -32000, "unknown transaction", SendUnknown}, // is no "known transaction"
	{"anybody", -32000, "the moon is in the wrong phase", SendUnknown},
}

func sendEndpoint(t *testing.T) *endpoint {
	t.Helper()
	ep, err := newEndpoint("https://node.example/v3/key", 0)
	if err != nil {
		t.Fatal(err)
	}
	return ep
}

func TestClassifySend(t *testing.T) {
	ep := sendEndpoint(t)
	clients := map[string]bool{}
	for _, s := range sayings {
		clients[s.client] = true
		err := ep.describe(sendMethod, spoken{s.code, s.text})
		if have := ClassifySend(err); have != s.want {
			t.Errorf("%s says %q: %s, want %s", s.client, s.text, have, s.want)
		}
		// What is understood is an answer, whatever its code: nobody is asked
		// again, except for room.
		if have := kindOf(err); s.want == SendPoolFull && have != elsewhere || s.want > SendAccepted && s.want != SendPoolFull && have != answer {
			t.Errorf("%s says %d %q: kind %d", s.client, s.code, s.text, have)
		}
		elem := rpc.BatchElem{Method: sendMethod, Error: spoken{s.code, s.text}}
		if have := judgeElem(elem); s.want != SendUnknown && have != taken {
			t.Errorf("%s says %d %q: that tells of the pace %d", s.client, s.code, s.text, have)
		}
	}
	t.Logf("%d sayings of %d clients, providers and versions", len(sayings), len(clients))
	if have := ClassifySend(nil); have != SendAccepted {
		t.Errorf("no error: %s", have)
	}
	// What no node said is never an answer, whatever its words.
	for _, err := range []error{
		wallet.As(wallet.ErrUnreachable, "already known"),
		ep.describe(sendMethod, errors.New("already known")),
		ep.describe(sendMethod, rpc.HTTPError{StatusCode: 400, Status: "already known", Body: []byte("already known")}),
	} {
		if have := ClassifySend(err); have != SendUnknown {
			t.Errorf("%v: %s", err, have)
		}
	}
	if have := ClassifySend(ep.describe("eth_call", spoken{3, "execution reverted: insufficient balance"})); have != SendUnknown {
		t.Errorf("another method's error: %s", have)
	}
}

// TestRateLimitsAreNoAnswers has what providers say for themselves be asked
// again.
func TestRateLimitsAreNoAnswers(t *testing.T) {
	ep := sendEndpoint(t)
	for _, s := range sayings {
		limited := s.client == "alchemy" && s.code == 429 || s.client == "infura" && s.code == -32005
		if err := ep.describe(sendMethod, spoken{s.code, s.text}); limited && !errors.Is(err, wallet.ErrUnreachable) {
			t.Errorf("%s says %q, and that is taken for an answer", s.client, s.text)
		}
	}
}

// TestSendWords wants each row of the table to decide about something that
// somebody says, and to be written as texts are compared.
func TestSendWords(t *testing.T) {
	decided := make([]bool, len(sendWords))
	for _, s := range sayings {
		if row := sendRow(s.text); row >= 0 {
			decided[row] = true
		}
	}
	for i, w := range sendWords {
		if !decided[i] {
			t.Errorf("nobody says %q, or an earlier row decides about it", w.words)
		}
		if plain(w.words) != " "+w.words+" " {
			t.Errorf("%q can occur in no text", w.words)
		}
	}
}

// TestClassifySendWrapped has the meaning stay the same in other case, behind
// what providers put before it, inside JSON, before any details, and as data.
func TestClassifySendWrapped(t *testing.T) {
	ep := sendEndpoint(t)
	swap := func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}
	cases := map[string]func(string) string{
		"same":  func(s string) string { return s },
		"upper": strings.ToUpper,
		"lower": strings.ToLower,
		"swap":  func(s string) string { return strings.Map(swap, s) },
	}
	before := rapid.SampledFrom([]string{
		"", "err: ", "Returned error: ", "call failed: ", "VM Exception while processing transaction: ", "ProviderError: ", "[0x7f65] ",
		"upstream 3 of 4 answered with ", "  \n\t", "primary http (http://***REDACTED***:9933) call failed: ",
		strings.Repeat("a long way down the stack, ", 40),
	})
	after := rapid.SampledFrom([]string{
		"", ".", " (supplied gas 15010499)", ": eth_sendRawTransaction", ", hash 0x7f65", "\n    at Object.send (index.js:1:1)", "; request id 17",
		" " + strings.Repeat("0123456789abcdef", 400),
	})
	rapid.Check(t, func(r *rapid.T) {
		s := rapid.SampledFrom(sayings).Draw(r, "saying")
		text := cases[rapid.SampledFrom([]string{"same", "upper", "lower", "swap"}).Draw(r, "case")](s.text)
		text = before.Draw(r, "before") + text + after.Draw(r, "after")
		if rapid.Bool().Draw(r, "as JSON") {
			body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "error": map[string]any{"code": s.code, "message": text}})
			if err != nil {
				r.Fatal(err)
			}
			text = string(body)
		}
		code := rapid.SampledFrom([]int{s.code, -32000, -32003, -32010, -32603, 3}).Draw(r, "code")
		var raw error = spoken{code, text}
		if rapid.Bool().Draw(r, "as data") {
			raw = saying{spoken{code, "Transaction rejected"}, text}
		}
		if have := ClassifySend(ep.describe(sendMethod, raw)); have != s.want {
			r.Errorf("%s says %q: %s, want %s", s.client, text, have, s.want)
		}
	})
}
