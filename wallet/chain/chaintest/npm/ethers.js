// Holds what airlock hashes and signs against ethers, which shares no code with
// it. Standard input is {key, structures, transactions}: structures are
// {typedData, hash, signer, signature}, transactions {raw, and what ethers must
// read from it}. Standard output is {faults, signatures}: every difference, and
// each structure signed by ethers with the key.
'use strict';

const { Transaction, TypedDataEncoder, Wallet, verifyTypedData } = require('ethers');

async function main(input) {
  const wallet = new Wallet(input.key);
  const faults = [];
  const signatures = [];
  const same = (what, have, want) => {
    if (String(have) !== String(want)) faults.push(`${what}: ethers has ${have}, airlock ${want}`);
  };

  for (const [i, s] of input.structures.entries()) {
    const { domain, message, primaryType, types: { EIP712Domain, ...types } } = s.typedData;
    const members = EIP712Domain.map(({ name, type }) => `${type} ${name}`).join(',');
    same(`structure ${i}: domain`, `EIP712Domain(${members})`, 'EIP712Domain(string name,string version)');
    same(`structure ${i}: type`, TypedDataEncoder.getPrimaryType(types), primaryType);
    same(`structure ${i}: hash`, TypedDataEncoder.hash(domain, types, message), s.hash);
    same(`structure ${i}: signer`, verifyTypedData(domain, types, message, s.signature), s.signer);
    signatures.push(await wallet.signTypedData(domain, types, message));
  }

  for (const [i, { raw, ...want }] of input.transactions.entries()) {
    const tx = Transaction.from(raw);
    for (const [field, value] of Object.entries(want)) same(`transaction ${i}: ${field}`, tx[field], value);
    same(`transaction ${i}: type`, tx.type, 2);
    same(`transaction ${i}: access list`, JSON.stringify(tx.accessList), '[]');
    same(`transaction ${i}: again`, tx.serialized, raw);
  }
  return { faults, signatures };
}

let text = '';
process.stdin.on('data', (part) => { text += part; });
process.stdin.on('end', async () => {
  console.log(JSON.stringify(await main(JSON.parse(text))));
});
