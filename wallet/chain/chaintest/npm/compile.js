// Compiles every contract of a folder, the first argument, to one JSON artifact
// each, next to its source or in the folder given as the second argument. The
// output depends on the sources and the pinned compiler alone.
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const solc = require('solc');

const dir = process.argv[2];
const out = process.argv[3] || dir;
const sources = {};
for (const file of fs.readdirSync(dir).sort()) {
  if (file.endsWith('.sol')) {
    sources[file] = { content: fs.readFileSync(path.join(dir, file), 'utf8') };
  }
}

const result = JSON.parse(solc.compile(JSON.stringify({
  language: 'Solidity',
  sources,
  settings: {
    evmVersion: 'paris',
    optimizer: { enabled: true, runs: 200 },
    metadata: { appendCBOR: false, bytecodeHash: 'none' },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
  },
})));

let failed = false;
for (const e of result.errors || []) {
  // 5159: selfdestruct is deprecated, and wanted here.
  if (e.errorCode !== '5159') console.error(e.formattedMessage);
  failed ||= e.severity === 'error';
}
if (failed) process.exit(1);

for (const file of Object.keys(sources)) {
  const name = path.basename(file, '.sol');
  const { abi, evm } = result.contracts[file][name];
  const artifact = {
    compiler: solc.version(),
    abi,
    bytecode: '0x' + evm.bytecode.object,
    runtime: '0x' + evm.deployedBytecode.object,
  };
  fs.writeFileSync(path.join(out, name + '.json'), JSON.stringify(artifact, null, 2) + '\n');
}
