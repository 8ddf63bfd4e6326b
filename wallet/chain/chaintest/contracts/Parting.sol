// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// Leaves the ether it is created with to another address, whose code is not
/// asked, and is gone before the transaction ends.
contract Parting {
    constructor(address payable heir) payable {
        selfdestruct(heir);
    }
}
