package erc4527

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/batch"
	"github.com/airlock-wallet/airlock/wallet/ur"
)

// RequestType and SignatureType are the UR types of a request and its answer.
const (
	RequestType   = "eth-sign-request"
	SignatureType = "eth-signature"
)

// Origin is what a wallet shows as the source of a request.
const Origin = "airlock"

// The data type of an unsigned transaction with a type of its own (EIP-2718).
const typedTransaction = 4

// CBOR tags: of a UUID (IANA registry) and of a crypto-keypath (BCR-2020-006).
const (
	tagUUID    = 37
	tagKeypath = 304
)

// Request asks a wallet to sign.
type Request struct {
	ID          uuid.UUID
	SignData    []byte
	DataType    uint64
	ChainID     uint64
	Path        []Level
	Fingerprint uint32         // of the wallet's master key (BIP-32); 0 if it is not told
	Address     common.Address // of the key that is to sign; zero if it is not told
	Origin      string
}

// Level is one step of a derivation path.
type Level struct {
	Index    uint32 // below 2^31
	Hardened bool
}

type requestWire struct {
	ID       cbor.RawTag `cbor:"1,keyasint"`
	SignData []byte      `cbor:"2,keyasint"`
	DataType uint64      `cbor:"3,keyasint"`
	ChainID  uint64      `cbor:"4,keyasint"`
	Path     cbor.RawTag `cbor:"5,keyasint"`
	Address  []byte      `cbor:"6,keyasint,omitempty"`
	Origin   string      `cbor:"7,keyasint,omitempty"`
}

type keypathWire struct {
	Components  []any  `cbor:"1,keyasint"` // index and hardened of each level
	Fingerprint uint32 `cbor:"2,keyasint,omitempty"`
}

// RequestID names the request of one rung of a batch. Whoever has the batch can
// compute it, so that an answer finds its rung: the first 16 bytes of SHA-256
// over "airlock-erc4527", the batch's digest and the rung from 0 in 4 bytes,
// with the version 8 and the variant of RFC 9562.
func RequestID(digest [32]byte, rung int) uuid.UUID {
	seed := append([]byte("airlock-erc4527"), digest[:]...)
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(seed, uint32(rung)))
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// NewRequest is the request for one rung, counted from 0, or after the last for
// the cancel that is signed with it, of a batch that Check accepted and that has a single item, a withdrawal. The fingerprint is that of
// the wallet's master key, which some wallets insist on; 0 leaves it out. The
// error is of class [wallet.ErrRefused] or [wallet.ErrUsage].
func NewRequest(b *batch.Batch, rung int, fingerprint uint32) (*Request, error) {
	it, err := single(b)
	if err != nil {
		return nil, err
	}
	if rung < 0 || rung >= it.Signatures() {
		return nil, wallet.As(wallet.ErrUsage, "rung %d: the item has %d", rung+1, it.Signatures())
	}
	digest, err := b.Digest()
	if err != nil {
		return nil, err
	}
	data, err := unsigned(b.ChainID, it, rung)
	if err != nil {
		return nil, err
	}
	const coin = 60
	return &Request{
		ID: RequestID(digest, rung), SignData: data, DataType: typedTransaction, ChainID: b.ChainID,
		Path:        []Level{{44, true}, {coin, true}, {uint32(it.Path.Role), true}, {0, false}, {it.Path.Index, false}},
		Fingerprint: fingerprint, Address: it.From, Origin: Origin,
	}, nil
}

// unsigned is the transaction of a rung as EIP-1559 has it signed: the type,
// then RLP without a signature.
func unsigned(chain uint64, it *batch.Item, rung int) ([]byte, error) {
	if rung == len(it.Rungs) {
		it, rung = it.CancelItem(chain), 0
	}
	fee := it.Rungs[rung]
	list, err := rlp.EncodeToBytes([]any{
		chain, it.Nonce, fee.MaxPriorityFeePerGas.Big(), fee.MaxFeePerGas.Big(), it.Gas, it.To, it.Value.Big(), []byte(it.Data), []any{},
	})
	return append([]byte{types.DynamicFeeTxType}, list...), err
}

// single is the only item of a batch, which must be a withdrawal.
func single(b *batch.Batch) (*batch.Item, error) {
	if len(b.Items) != 1 || b.Items[0].Intent.Kind != wallet.IntentWithdrawal {
		return nil, wallet.WithHint(
			wallet.As(wallet.ErrRefused, "a batch of %d items of kind %s: a QR hardware wallet signs a single withdrawal", len(b.Items), b.Kind),
			"build-withdrawals --max 1 makes a batch of one; bigger ones are signed by airlock-signer")
	}
	return &b.Items[0], nil
}

// Encode writes the request as the CBOR of a UR of type RequestType.
func (r *Request) Encode() ([]byte, error) {
	path := keypathWire{Fingerprint: r.Fingerprint}
	for _, l := range r.Path {
		path.Components = append(path.Components, l.Index, l.Hardened)
	}
	var (
		w = requestWire{SignData: r.SignData, DataType: r.DataType, ChainID: r.ChainID, Origin: r.Origin}
		e error
	)
	if w.ID, e = tagged(tagUUID, r.ID[:]); e != nil {
		return nil, e
	}
	if w.Path, e = tagged(tagKeypath, path); e != nil {
		return nil, e
	}
	if r.Address != (common.Address{}) {
		w.Address = r.Address[:]
	}
	return ur.MarshalCBOR(w)
}

// tagged writes a value behind a CBOR tag.
func tagged(number uint64, v any) (cbor.RawTag, error) {
	content, err := ur.MarshalCBOR(v)
	return cbor.RawTag{Number: number, Content: content}, err
}

// ParseFingerprint reads the fingerprint of a wallet's master key as wallets
// show it: 8 hex digits.
func ParseFingerprint(s string) (uint32, error) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != 4 || binary.BigEndian.Uint32(raw) == 0 {
		return 0, wallet.As(wallet.ErrUsage, "fingerprint %.20q: want 8 hex digits, not all zero", s)
	}
	return binary.BigEndian.Uint32(raw), nil
}
