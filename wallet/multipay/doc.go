// Package multipay is a contract that pays many recipients in one transaction,
// its call data and its events.
//
// The contract, contracts/Multipay.sol, has no owner and no storage, and nothing
// rests in it: it pays with the caller's allowance, or with the ether that the
// caller sends along. One recipient's payment may fail without the others; a Paid
// event tells of each whether it was made. Each payment has a bound of gas, and a
// transaction with too little gas to keep that promise reverts as a whole.
//
// The contract's address is known without asking anybody. It is created with
// CREATE2 (EIP-1014) by the deterministic deployment proxy that most chains have
// at [Factory], so that on every chain nothing but the code compiled into this
// package can ever lie at [Address]. Whether it does lie there is the chain's to
// say: a call of an address without code succeeds, pays nobody, and leaves ether
// that is sent along there for ever.
//
// The package has no I/O and links neither ABI nor RPC, because the signing
// station decodes what it signs with it.
package multipay
