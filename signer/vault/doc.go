// Package vault keeps the private keys of the signing station in one
// encrypted file: one or several BIP-39 mnemonics, from each of which the
// addresses of the four roles are derived, and any imported keys.
//
// # Words
//
// A mnemonic's keys have a fingerprint (see [hd.Fingerprint]). The first
// mnemonic's is that of the vault itself. A batch names the fingerprint whose
// roles sign it; imported keys belong to the file and have none.
//
// # Use
//
// [Create] writes a new vault, [Open] decrypts one, and [Vault.Keys] chooses
// the keys of one fingerprint. Opening takes one slow key derivation, however
// many addresses the vault holds; from then on [Keys.SignHash] costs little
// more than the signature itself. Keys are not handed out: a caller names a
// path and the address that it believes to be there, and gets a signature. The
// only ways out are the Web3 Secret Storage file of [Keys.ExportKeystore] and
// the mnemonics' paper copies.
//
// # File
//
// The file is JSON. Unknown, repeated or differently-cased members are
// refused.
//
//	{
//	  "format": "airlock-vault",
//	  "version": 1,
//	  "fingerprints": ["…"],       one per mnemonic, in their order
//	  "kdf": {
//	    "name": "scrypt",          RFC 7914
//	    "n": 262144, "r": 8, "p": 1,
//	    "salt": "…"                32 bytes, hexadecimal
//	  },
//	  "cipher": {
//	    "name": "xchacha20-poly1305",
//	    "nonce": "…"               24 bytes, hexadecimal, new with every write
//	  },
//	  "ciphertext": "…"            base64
//	}
//
// The key is scrypt of the passphrase's bytes as given, 32 bytes long. The
// associated data is the file without the ciphertext member, in the order
// above and without white space. The plaintext is JSON again:
//
//	{"entropies":["…"],"imported":[{"address":"0x…","key":"…"}]}
//
// entropies are those of the mnemonics (BIP-39, 16 to 32 bytes, no BIP-39
// passphrase), imported are private keys of 32 bytes, all hexadecimal. Opening
// derives fingerprints and addresses again and compares them.
// Without the passphrase the file tells its fingerprints and roughly how many
// keys were imported.
//
// # Changes
//
// A change is written to a temporary name, read back, and takes the file's
// name in one step. Only one process changes a file at a time, and only one
// that has read it as it is; another gets [ErrChanged] and leaves it alone.
//
// # Memory
//
// Close overwrites the keys that the package holds. Copies that libraries
// and the runtime made (strings, stacks, moved buffers) and pages that the
// system swapped out are beyond its reach: the program that opens a vault
// locks its memory where it may, and the machine itself has to be trusted.
package vault
