// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// Leaves the ether it was created with to another address on demand.
contract Leaver {
    constructor() payable {}

    function part(address payable heir) external {
        selfdestruct(heir);
    }
}

/// Moves ether in every way in which a call can, and in some that fail.
contract Mover {
    /// Pays, out of what is sent along: 1 wei to the first recipient by a call, 2
    /// by a call within a call, 4 within a delegated call, 8 to a new contract
    /// that leaves them to the last one, 16 by a call after calls of precompiled
    /// contracts. Between these, payments to the first are taken back, cannot
    /// begin for want of ether, or are of nothing.
    function run(address payable[] calldata to) external payable {
        pay(to[0], 1);
        require(sha256("a") != sha256("b"), "precompiled");
        try this.payAndRevert{value: 32}(to[0], 32) {} catch {}
        this.payOn{value: 2}(to[1], 2);
        (bool begun,) = to[0].call{value: address(this).balance + 1}("");
        require(!begun, "paid what was not there");
        (bool ok,) = address(this).delegatecall(abi.encodeCall(this.payOn, (to[2], 4)));
        require(ok, "delegated");
        address self = address(this);
        bytes memory nothing;
        assembly {
            ok := callcode(gas(), self, 64, add(nothing, 32), 0, 0, 0)
        }
        Leaver leaver = new Leaver{value: 8}();
        leaver.part(to[3]);
        pay(to[0], 0);
        require(ecrecover(sha256("c"), 27, bytes32(uint256(1)), bytes32(uint256(1))) != self, "precompiled");
        pay(to[4], 16);
    }

    /// Pays the first recipient and fails.
    function fail(address payable to) external payable {
        pay(to, msg.value);
        revert("failed");
    }

    function payOn(address payable to, uint256 wei_) external payable {
        pay(to, wei_);
    }

    function payAndRevert(address payable to, uint256 wei_) external payable {
        pay(to, wei_);
        revert("taken back");
    }

    function pay(address payable to, uint256 wei_) private {
        (bool ok,) = to.call{value: wei_}("");
        require(ok, "recipient");
    }

    receive() external payable {}
}
