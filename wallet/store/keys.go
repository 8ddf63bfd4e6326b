package store

import (
	"encoding/binary"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// Tables, with the shape of their keys. Numbers are 8 bytes big-endian, text
// ends with a zero byte, addresses and hashes are raw. The names are stored
// and never change.
const (
	tMeta = "meta" // name -> JSON

	tChain      = "chain"      // chain -> wallet.Chain
	tCursor     = "cursor"     // chain -> Cursor
	tBlock      = "block"      // chain, number -> hash
	tBlockMark  = "block.mark" // chain, number -> hash: kept for ever
	tToken      = "token"      // chain, contract -> wallet.Asset
	tTokenSym   = "token.sym"  // chain, lower-case symbol, contract -> empty
	tAddr       = "addr"       // address -> wallet.Address
	tAddrRole   = "addr.role"  // role, index -> address
	tAddrAcct   = "addr.acct"  // account, address role and index -> address
	tAddrOld    = "addr.old"   // address -> empty: was in use before it was registered
	tAddrCount  = "addr.count" // role -> number of addresses
	tAddrOpen   = "addr.open"  // chain, address, contract -> empty: opening balance not yet read
	tAddrSince  = "addr.at"    // chain, address, contract -> block in which its opening balance was read
	tAddrOpenAt = "addr.at.bl" // chain, that block, address, contract -> empty
	tAddrNext   = "addr.next"  // role -> next index
	tAddrSieve  = "addr.sieve" // first 2 bytes of addresses -> the next 3 bytes of each
	tDeposit    = "dep"        // deposit id -> wallet.Deposit
	tDepositLst = "dep.list"   // chain, block, id -> empty
	tDepositPnd = "dep.pend"   // chain, block, id -> empty: not confirmed
	tDepositAct = "dep.acct"   // account, chain, block, id -> empty
	tMined      = "mined"      // chain, sender, nonce -> wallet.Mined
	tMinedOpen  = "mined.open" // chain, block, sender, nonce -> transaction hash: not settled
	tOutflow    = "outflow"    // chain, block, transaction hash, position, path -> Outflow: not booked

	tAlarm = "alarm" // chain, code -> wallet.Alarm: it stands
	tGone  = "gone"  // chain, sender, nonce -> Vanished: settled in a block that left the chain

	tUnknown    = "unk"     // chain, contract, block -> wallet.UnknownToken
	tUnknownBlk = "unk.blk" // chain, block, contract -> empty
	tUnknownDue = "unk.due" // chain, contract -> empty: registered since, its marked blocks are to be read again
	tUnproven   = "unprov"  // chain, block, address -> wallet.UnprovenCoin
	tRound      = "cmp"     // chain -> Round
	tGap        = "cmp.gap" // chain, address -> Gap

	tWithdrawal   = "wd"      // id -> wallet.Withdrawal
	tWithdrawalSt = "wd.st"   // chain, status, sequence -> id
	tWithdrawalSq = "wd.seq"  // id -> sequence
	tWithdrawalAc = "wd.acct" // account, sequence -> id
	tOutgoing     = "out"     // chain, sender, nonce -> wallet.Outgoing
	tOutgoingOpen = "out.opn" // chain, sender, nonce -> transaction hash and state: not final
	tOutgoingHash = "out.hsh" // transaction hash -> chain, sender, nonce, signed transaction
	tNonce        = "nonce"   // chain, sender -> next nonce
	tBatch        = "batch"   // id -> wallet.BatchRecord
	tBatchFile    = "bat.fil" // id -> the file as written
	tBatchSeq     = "bat.seq" // sequence -> id
	tUnexplained  = "doubt"   // chain, sender, nonce -> empty: mined, not made here, not attributed
	tDust         = "dust"    // chain, address -> amount that sweeps of the coin left there

	tEntry     = "led"      // sequence -> wallet.Entry
	tEntryID   = "led.id"   // entry id -> sequence
	tEntryBlk  = "led.blk"  // chain, block, sequence -> empty
	tEntryAcct = "led.acct" // owner, sequence -> empty
	tBalance   = "bal"      // owner, chain, contract, book -> amount
	tBalTotal  = "bal.tot"  // chain, contract, book -> amount: of all accounts, without the house
	tBalTop    = "bal.top"  // chain, contract, length and bytes of what is available, account -> empty: above zero
	tLocation  = "loc"      // chain, address, contract -> amount
	tFrozen    = "frozen"   // account -> reason

	tPayTo    = "pay.to"   // account, chain, 0 or 1 for one asset, contract -> wallet.PayoutAddress
	tPayLast  = "pay.last" // account, chain, contract -> id of the newest withdrawal of a payout run
	tPayRun   = "pay.run"  // chain, sequence -> wallet.PayoutRun
	tPayRunID = "pay.rid"  // run id -> key of the run
	tPayment  = "pay.wd"   // chain, sequence of the run, place in it -> withdrawal id

	tEvent   = "event"    // sequence -> wallet.Event
	tEventID = "event.id" // event id -> sequence

	tEndpoint     = "ep"       // endpoint number -> wallet.Endpoint
	tEndpointKey  = "ep.key"   // endpoint number -> secret
	tDelivery     = "dlv"      // endpoint number, event sequence -> wallet.Delivery
	tDeliverySt   = "dlv.st"   // endpoint number, status, event sequence -> empty
	tDeliveryCnt  = "dlv.cnt"  // endpoint number, status -> count
	tDeliverySub  = "dlv.sub"  // endpoint number, subject, event sequence -> empty: not delivered
	tDeliveryDue  = "dlv.due"  // endpoint number, due time, event sequence -> empty: not held, nobody sends it
	tDeliveryRun  = "dlv.run"  // endpoint number, event sequence -> empty: somebody sends it
	tDeliveryDone = "dlv.done" // time, endpoint number, event sequence -> empty: delivered
)

// keyOf joins a table's name and parts into a key, so that the order of keys
// is the order of their parts.
func keyOf(table string, parts ...any) []byte {
	k := append(make([]byte, 0, 96), table...)
	k = append(k, 0)
	for _, p := range parts {
		switch v := p.(type) {
		case uint64:
			k = binary.BigEndian.AppendUint64(k, v)
		case uint8:
			k = append(k, v)
		case string:
			k = append(append(k, v...), 0)
		case common.Address:
			k = append(k, v[:]...)
		case common.Hash:
			k = append(k, v[:]...)
		default:
			panic(fmt.Sprintf("store: key part of type %T", p))
		}
	}
	return k
}

// under is the range of all keys that begin with prefix.
func under(prefix []byte) Range { return Range{From: prefix, To: after(prefix)} }

// after is the first key above all keys that begin with prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		end[i]++
		if end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
