// Package hd derives keys and addresses: BIP-39 mnemonics, the BIP-32 tree
// below them, and the four BIP-44 accounts m/44'/60'/role'/0/index that
// airlock uses.
//
// The online station uses the public side alone: an [AccountKey] per role,
// carried by a [Watch] file, derives every address and no private key. The
// vault uses [Master] for the private side.
//
// The package does no I/O and imports nothing that can open a connection.
package hd
