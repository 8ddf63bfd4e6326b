// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// A recipient of ether that behaves as its constructor was told to, and anybody's
/// caller.
contract MoodyRecipient {
    enum Mood {
        Plain,
        Revert,
        Burn, // uses up all gas that it is given
        Store, // needs the gas to write a word
        ReturnBomb, // returns all that its gas can make memory of
        RevertBomb, // the same, reverting
        Reenter // calls its caller with the call it was told, and pays for it
    }

    Mood public mood;
    uint256 public count;
    bytes public inner;

    constructor(Mood m, bytes memory data) {
        mood = m;
        inner = data;
    }

    receive() external payable {
        if (mood == Mood.Revert) revert("moody");
        if (mood == Mood.Burn) while (true) {}
        if (mood == Mood.Store) count++;
        if (mood == Mood.ReturnBomb || mood == Mood.RevertBomb) {
            Mood m = mood;
            assembly {
                // Memory of n words costs 3n + n²/512.
                let size := mul(32, div(gas(), 24))
                if gt(size, 160000) { size := 160000 }
                if eq(m, 4) { return(0, size) }
                revert(0, size)
            }
        }
        if (mood == Mood.Reenter) {
            mood = Mood.Plain;
            (bool ok,) = msg.sender.call{value: msg.value}(inner);
            require(ok, "inner");
        }
    }

    /// Calls for its caller, and pays with what is sent along.
    function relay(address to, bytes calldata data) external payable {
        (bool ok, bytes memory out) = to.call{value: msg.value}(data);
        if (!ok) assembly { revert(add(out, 32), mload(out)) }
    }
}
