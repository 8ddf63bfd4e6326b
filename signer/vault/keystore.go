package vault

import (
	"crypto/ecdsa"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"github.com/airlock-wallet/airlock/wallet"
	"github.com/airlock-wallet/airlock/wallet/hd"
)

// ErrKeystorePassphrase says that a keystore file could not be decrypted.
var ErrKeystorePassphrase = errors.New("wrong passphrase or damaged keystore file")

// keystoreFile is what counts in a Web3 Secret Storage file, version 3.
// Writers add members of their own and differ in the case of crypto.
type keystoreFile struct {
	Version int    `json:"version"`
	Address string `json:"address"` // optional, with or without 0x
	Crypto  struct {
		Cipher       string `json:"cipher"`
		CipherText   string `json:"ciphertext"`
		CipherParams struct {
			IV string `json:"iv"`
		} `json:"cipherparams"`
		KDF       string `json:"kdf"`
		KDFParams struct {
			DKLen int    `json:"dklen"`
			Salt  string `json:"salt"`
			N     int    `json:"n"`   // scrypt
			R     int    `json:"r"`   // scrypt
			P     int    `json:"p"`   // scrypt
			C     int    `json:"c"`   // pbkdf2
			PRF   string `json:"prf"` // pbkdf2
		} `json:"kdfparams"`
		MAC string `json:"mac"`
	} `json:"crypto"`
}

// maxIterations bounds PBKDF2 in a keystore file; 262,144 is usual.
const maxIterations = 10_000_000

// readKeystore checks a keystore file and brings it into the library's form.
// The library trusts the file with its types, lengths and costs, so all of
// them are checked here.
func readKeystore(data []byte) (*keystoreFile, keystore.CryptoJSON, error) {
	bad := func(field, format string, args ...any) (*keystoreFile, keystore.CryptoJSON, error) {
		return nil, keystore.CryptoJSON{}, fmt.Errorf("keystore file: %s: %s", field, fmt.Sprintf(format, args...))
	}
	var f keystoreFile
	if err := json.Unmarshal(data, &f, json.MatchCaseInsensitiveNames(true)); err != nil {
		field, _ := place(err)
		return nil, keystore.CryptoJSON{}, fmt.Errorf("keystore file: not Web3 Secret Storage JSON %s", field)
	}
	if f.Version != 3 {
		return bad("version", "%d, only 3 can be imported", f.Version)
	}
	c, kdf := &f.Crypto, &f.Crypto.KDFParams
	if c.Cipher != "aes-128-ctr" {
		return bad("crypto.cipher", "want aes-128-ctr")
	}
	for _, h := range []struct {
		field, digits string
		min, max      int // bytes
	}{
		{"crypto.ciphertext", c.CipherText, 1, 32},
		{"crypto.cipherparams.iv", c.CipherParams.IV, 16, 16},
		{"crypto.mac", c.MAC, 32, 32},
		{"crypto.kdfparams.salt", kdf.Salt, 0, 1024},
	} {
		if raw, err := hex.DecodeString(h.digits); err != nil || len(raw) < h.min || len(raw) > h.max {
			return bad(h.field, "want %d to %d bytes in hexadecimal", h.min, h.max)
		}
	}
	if kdf.DKLen < 32 || kdf.DKLen > 64 {
		return bad("crypto.kdfparams.dklen", "%d is not from 32 to 64", kdf.DKLen)
	}
	params := map[string]any{"dklen": kdf.DKLen, "salt": kdf.Salt}
	switch c.KDF {
	case "scrypt":
		if field, reason := (KDF{N: kdf.N, R: kdf.R, P: kdf.P}).check(); field != "" {
			return bad("crypto.kdfparams."+field, "%s", reason)
		}
		params["n"], params["r"], params["p"] = kdf.N, kdf.R, kdf.P
	case "pbkdf2":
		if kdf.C < 1 || kdf.C > maxIterations {
			return bad("crypto.kdfparams.c", "%d is not from 1 to %d", kdf.C, maxIterations)
		}
		if kdf.PRF != "hmac-sha256" {
			return bad("crypto.kdfparams.prf", "want hmac-sha256")
		}
		params["c"], params["prf"] = kdf.C, kdf.PRF
	default:
		return bad("crypto.kdf", "want scrypt or pbkdf2")
	}
	out := keystore.CryptoJSON{Cipher: c.Cipher, CipherText: c.CipherText, KDF: c.KDF, KDFParams: params, MAC: c.MAC}
	out.CipherParams.IV = c.CipherParams.IV
	return &f, out, nil
}

// decryptKeystore reads a Web3 Secret Storage file, version 3.
func decryptKeystore(data, passphrase []byte) (*ecdsa.PrivateKey, error) {
	f, c, err := readKeystore(data)
	if err != nil {
		return nil, err
	}
	plain, err := keystore.DecryptDataV3(c, string(passphrase))
	if errors.Is(err, keystore.ErrDecrypt) {
		return nil, ErrKeystorePassphrase
	}
	if err != nil {
		return nil, fmt.Errorf("keystore file: %w", err)
	}
	defer clear(plain)
	// Some old writers dropped the leading zeros of the key.
	padded := common.LeftPadBytes(plain, 32)
	defer clear(padded)
	key, err := crypto.ToECDSA(padded)
	if err != nil {
		return nil, errors.New("keystore file: what it holds is not a private key of secp256k1")
	}
	addr := crypto.PubkeyToAddress(key.PublicKey)
	if f.Address != "" && (!common.IsHexAddress(f.Address) || common.HexToAddress(f.Address) != addr) {
		hd.Wipe(key)
		return nil, fmt.Errorf("keystore file: address: not that of its key, which is %s", addr)
	}
	return key, nil
}

// ImportKeystore decrypts a Web3 Secret Storage file (version 3, as geth,
// cast and others write it), adds its key to the vault's file and returns its
// address. Importing a key again changes nothing. A passphrase that does not
// fit is [ErrKeystorePassphrase]; if another process changed the vault
// meanwhile, the error is [ErrChanged].
func (v *Vault) ImportKeystore(data, passphrase []byte) (common.Address, error) {
	key, err := decryptKeystore(data, passphrase)
	if err != nil {
		return common.Address{}, err
	}
	return v.addKey(key)
}

// ExportKeystore writes the key at path, which must be that of from, as a
// Web3 Secret Storage file, version 3, under a passphrase of its own. light
// chooses geth's light scrypt parameters.
//
// A derived key, together with the role's extended public key, gives away
// every key of its role (BIP-32); warning of that is the caller's part.
func (k *Keys) ExportKeystore(path wallet.Path, from common.Address, passphrase []byte, light bool) (data []byte, err error) {
	if len(passphrase) == 0 {
		return nil, fmt.Errorf("export %s: the passphrase is empty", from)
	}
	n, p := keystore.StandardScryptN, keystore.StandardScryptP
	if light {
		n, p = keystore.LightScryptN, keystore.LightScryptP
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	err = k.use(path, from, func(key *ecdsa.PrivateKey) error {
		data, err = keystore.EncryptKey(&keystore.Key{Id: id, Address: from, PrivateKey: key}, string(passphrase), n, p)
		return err
	})
	return data, err
}
