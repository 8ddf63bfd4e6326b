package chain

import (
	"errors"
	"strings"
	"unicode"

	"github.com/ethereum/go-ethereum/rpc"
)

// SendResult is what a node's answer to an offered transaction means.
type SendResult uint8

// The meanings. Only SendAccepted and SendAlreadyKnown say where the
// transaction is, and that in the word of one node; after any other the hash
// and the nonce on chain decide.
const (
	SendUnknown      SendResult = iota // no answer, or words that nobody here knows
	SendAccepted                       // in the node's pool
	SendAlreadyKnown                   // was in the node's pool before
	SendNonceTooLow                    // the nonce is mined: this transaction or another
	SendNonceTooHigh                   // a node that takes no gaps: earlier ones must come first
	SendUnderpriced                    // below the base fee, or what the pool takes at all
	SendNotReplacing                   // another with the nonce is in the pool, and this one pays too little more
	SendPoolFull                       // no room now, for anybody or for this sender: offer it again later
	SendInsufficient                   // the sender cannot pay for value and gas
	SendRejected                       // the node will never take these bytes
)

func (r SendResult) String() string {
	return [...]string{
		"unknown", "accepted", "already known", "nonce too low", "nonce too high",
		"underpriced", "another in its place", "pool full", "insufficient funds", "rejected",
	}[r]
}

// sendWords are the words of many clients, as plain makes them. The first that
// occurs decides, so the narrower stand first. Codes are of no use: clients give
// the same ones other meanings, and besu gives those of rate limits to answers.
//
// What may mean a nonce that is too low as well as one that is too high, such as
// "invalid transaction nonce", is not here.
var sendWords = []struct {
	words  string
	result SendResult
}{
	{"already known", SendAlreadyKnown},              // geth, reth, erigon, nethermind
	{"alreadyknown", SendAlreadyKnown},               // nethermind to 1.36
	{"known transaction", SendAlreadyKnown},          // besu, hardhat, klaytn, geth to 1.9
	{"already imported", SendAlreadyKnown},           // anvil, openethereum
	{"alreadyimported", SendAlreadyKnown},            // frontier (Moonbeam)
	{"already in the txpool", SendAlreadyKnown},      // ethereumjs
	{"already in mempool", SendAlreadyKnown},         // cosmos
	{"tx already exist", SendAlreadyKnown},           // conflux
	{"existing tx with same hash", SendAlreadyKnown}, // erigon

	{"replacement transaction underpriced", SendNotReplacing},              // geth, reth, besu, erigon, nethermind, hardhat
	{"replacementnotallowed", SendNotReplacing},                            // nethermind to 1.36
	{"ownnoncealreadyused", SendNotReplacing},                              // nethermind to 1.14
	{"could not replace existing tx", SendNotReplacing},                    // erigon
	{"to replace existing transaction", SendNotReplacing},                  // anvil
	{"another transaction with same nonce in the queue", SendNotReplacing}, // openethereum
	{"replacement gas too low", SendNotReplacing},                          // ethereumjs
	{"same nonce already inserted", SendNotReplacing},                      // conflux
	{"same nonce in the tx pool", SendNotReplacing},                        // klaytn

	{"txpool is full", SendPoolFull},                               // geth, reth
	{"pool is full", SendPoolFull},                                 // erigon's sub-pools, ethereumjs
	{"pool full", SendPoolFull},                                    // nitro's sequencer
	{"queue full", SendPoolFull},                                   // nitro's sequencer
	{"l2 congestion", SendPoolFull},                                // arbitrum before nitro
	{"too many transactions in the queue", SendPoolFull},           // openethereum
	{"out of capacity", SendPoolFull},                              // geth
	{"account limit exceeded", SendPoolFull},                       // geth
	{"in flight transaction limit reached", SendPoolFull},          // geth with delegated accounts (EIP-7702)
	{"already reserved", SendPoolFull},                             // geth, by another kind of transaction
	{"future transaction tries to replace pending", SendPoolFull},  // geth
	{"max amount of txs for this account", SendPoolFull},           // ethereumjs
	{"spammer", SendPoolFull},                                      // erigon: too many of one sender
	{"pending transaction type conflict", SendPoolFull},            // nethermind
	{"pendingtxsofconflictingtype", SendPoolFull},                  // nethermind to 1.36
	{"delegation authority has pending transaction", SendPoolFull}, // nethermind

	{"underpriced", SendUnderpriced},                              // geth, reth, erigon, nethermind, bsc
	{"feetoolow", SendUnderpriced},                                // nethermind to 1.36
	{"feetoolowtocompete", SendUnderpriced},                       // nethermind to 1.36
	{"fee too low", SendUnderpriced},                              // erigon, optimism before bedrock
	{"max fee per gas less than block base fee", SendUnderpriced}, // geth, reth, anvil, nitro
	{"gas price below minimum", SendUnderpriced},                  // geth from 1.16, bor
	{"gas price below configured minimum", SendUnderpriced},       // besu
	{"gas price below current base fee", SendUnderpriced},         // besu
	{"gas price too low", SendUnderpriced},                        // arbitrum, metis
	{"gas price is too low", SendUnderpriced},                     // openethereum
	{"is too low for the next block", SendUnderpriced},            // hardhat
	{"is less than the block s basefeepergas", SendUnderpriced},   // ganache, ethereumjs
	{"does not pay the minimum gas price", SendUnderpriced},       // ethereumjs
	{"priority fee below minimum", SendUnderpriced},               // reth

	{"nonce too low", SendNonceTooLow},                 // geth, reth, anvil, erigon, besu, nethermind, hardhat, ethereumjs
	{"nonce is too low", SendNonceTooLow},              // openethereum
	{"oldnonce", SendNonceTooLow},                      // nethermind to 1.36
	{"below sender account nonce", SendNonceTooLow},    // besu, in its details
	{"pool stale", SendNonceTooLow},                    // frontier (Moonbeam)
	{"too stale nonce", SendNonceTooLow},               // conflux
	{"transaction already finalized", SendNonceTooLow}, // harmony

	{"nonce too high", SendNonceTooHigh},                                // geth, anvil, besu, nethermind, nitro, hardhat
	{"nonce is too distant", SendNonceTooHigh},                          // besu
	{"invalid transaction with a lower nonce exists", SendNonceTooHigh}, // besu
	{"noncegap", SendNonceTooHigh},                                      // nethermind to 1.36
	{"nonce gap", SendNonceTooHigh},                                     // nethermind
	{"gapped nonce", SendNonceTooHigh},                                  // geth with delegated accounts (EIP-7702)
	{"nonce too far in future", SendNonceTooHigh},                       // nethermind
	{"too distant future", SendNonceTooHigh},                            // conflux

	{"insufficient funds", SendInsufficient},                   // geth, reth, anvil, erigon, nethermind, openethereum
	{"insufficientfunds", SendInsufficient},                    // nethermind to 1.36
	{"insufficient balance", SendInsufficient},                 // openethereum, ethereumjs
	{"upfront cost exceeds account balance", SendInsufficient}, // besu
	{"doesn t have enough funds", SendInsufficient},            // hardhat, ganache
	{"not enough funds", SendInsufficient},                     // arbitrum before nitro
	{"out of balance", SendInsufficient},                       // conflux

	{"invalid sender", SendRejected},                                   // geth, erigon, reth
	{"invalid signature", SendRejected},                                // besu, openethereum
	{"failed to recover sender", SendRejected},                         // nethermind
	{"failedtoresolvesender", SendRejected},                            // nethermind to 1.36
	{"invalid chain id", SendRejected},                                 // geth, reth, anvil
	{"wrong chainid", SendRejected},                                    // besu
	{"only replay protected", SendRejected},                            // geth
	{"exceeds block gas limit", SendRejected},                          // geth, reth, besu, ethereumjs
	{"greater than the block gas limit", SendRejected},                 // anvil
	{"exceeds current gas limit", SendRejected},                        // openethereum
	{"supplied gas is beyond limit", SendRejected},                     // openethereum
	{"gas limit too high", SendRejected},                               // geth, reth (EIP-7825)
	{"gas limit is too high", SendRejected},                            // erigon
	{"gas limit reached", SendRejected},                                // nethermind
	{"gaslimitexceeded", SendRejected},                                 // nethermind to 1.36
	{"intrinsic gas too low", SendRejected},                            // geth, reth, anvil
	{"intrinsic gas too high", SendRejected},                           // reth, anvil
	{"intrinsic gas exceeds gas limit", SendRejected},                  // besu
	{"intrinsicgas", SendRejected},                                     // erigon
	{"gas is too low", SendRejected},                                   // openethereum
	{"floor data gas", SendRejected},                                   // geth (EIP-7623)
	{"gas uint64 overflow", SendRejected},                              // geth, reth, anvil
	{"gasuintoverflow", SendRejected},                                  // erigon
	{"int256overflow", SendRejected},                                   // nethermind to 1.36
	{"transaction cost overflow", SendRejected},                        // nethermind
	{"exceeds the configured cap", SendRejected},                       // geth, by its own setting
	{"transaction fee cap exceeded", SendRejected},                     // besu, by its own setting
	{"fee too high", SendRejected},                                     // optimism before bedrock
	{"max priority fee per gas higher than", SendRejected},             // geth, reth, anvil
	{"max priority fee per gas exceeds max fee per gas", SendRejected}, // besu
	{"transaction type not supported", SendRejected},                   // geth, reth, anvil
	{"unsupported transaction type", SendRejected},                     // nethermind
	{"invalid transaction type", SendRejected},                         // besu
	{"oversized data", SendRejected},                                   // geth, reth, erigon
	{"transaction too large", SendRejected},                            // nethermind
	{"transaction is too big", SendRejected},                           // openethereum
	{"tx is too large", SendRejected},                                  // ethereumjs
	{"max initcode size exceeded", SendRejected},                       // geth, reth
	{"negative value", SendRejected},                                   // geth, reth, erigon
	{"nonce has max value", SendRejected},                              // geth, reth, anvil
	{"sender not an eoa", SendRejected},                                // geth, nethermind
	{"sender is not an eoa", SendRejected},                             // reth
	{"senderiscontract", SendRejected},                                 // nethermind to 1.36
	{"not authorized to send transactions", SendRejected},              // besu
	{"forbidden sender address", SendRejected},                         // arbitrum
	{"banned in local queue", SendRejected},                            // openethereum
	{"transaction is not permitted", SendRejected},                     // openethereum
	{"rlp", SendRejected},                                              // geth, openethereum: bytes that do not decode
	{"rlptoolong", SendRejected},                                       // erigon
	{"typed transaction too short", SendRejected},                      // geth
	{"failed to decode transaction", SendRejected},                     // anvil
	{"failed to decode signed transaction", SendRejected},              // reth, anvil
}

// escapes are the breaks between words in a text that was put into JSON.
var escapes = strings.NewReplacer(`\n`, " ", `\r`, " ", `\t`, " ")

// plain makes lower-case words of a text, with one space around each: what
// stands between words, and around all of them, differs from client to client.
func plain(text string) string {
	text = escapes.Replace(strings.ToLower(text))
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return " " + strings.Join(words, " ") + " "
}

// meaningOf says what the words of a node mean that answers to
// eth_sendRawTransaction.
func meaningOf(text string) SendResult {
	if i := sendRow(text); i >= 0 {
		return sendWords[i].result
	}
	return SendUnknown
}

// sendRow is the row of sendWords that decides about a text, or -1.
func sendRow(text string) int {
	text = plain(text)
	for i, w := range sendWords {
		if strings.Contains(text, " "+w.words+" ") {
			return i
		}
	}
	return -1
}

// meaningOfAnswer is what an answer of a node means, by its words or else by
// those that it put beside them.
func meaningOfAnswer(method string, err rpc.Error) SendResult {
	if method != sendMethod {
		return SendUnknown
	}
	if r := meaningOf(err.Error()); r != SendUnknown {
		return r
	}
	var data rpc.DataError
	if errors.As(err, &data) {
		if s, ok := data.ErrorData().(string); ok {
			return meaningOf(s)
		}
	}
	return SendUnknown
}

// ClassifySend says what an error of SendRawTransactions means. It goes by the
// node's words; what it does not know is SendUnknown, and so is what no node
// said.
func ClassifySend(err error) SendResult {
	if err == nil {
		return SendAccepted
	}
	var e *EndpointError
	if !errors.As(err, &e) {
		return SendUnknown
	}
	return e.meaning
}
