// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// A token that treats each recipient of transferFrom as it was told to. Everybody
/// has as much of it as they like, and nobody's allowance is asked.
contract MoodyToken {
    enum Mood {
        Plain, // moves and returns true
        Revert,
        False, // moves nothing and returns false
        Burn, // uses up all gas that it is given
        Silent, // moves and returns nothing
        Short, // moves and returns 31 bytes
        Two, // moves and returns the number 2
        Long, // moves and returns true and 64 kB more
        ReturnBomb, // returns all that its gas can make memory of
        RevertBomb, // the same, reverting
        Fee, // moves a part less and returns true
        Liar, // moves nothing and returns true
        Reenter // calls its caller with the call it was told, then moves
    }

    string public constant name = "Moody";
    string public constant symbol = "MOOD";
    uint256 public constant decimals = 6;

    mapping(address => Mood) public mood;
    mapping(address => uint256) public received;
    bytes public inner;

    event Transfer(address indexed from, address indexed to, uint256 value);

    function set(address to, Mood m) external {
        mood[to] = m;
    }

    function reenterWith(bytes calldata data) external {
        inner = data;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        Mood m = mood[to];
        if (m == Mood.Revert) revert("moody");
        if (m == Mood.False) return false;
        if (m == Mood.Liar) return true;
        if (m == Mood.Burn) while (true) {}
        if (m == Mood.ReturnBomb || m == Mood.RevertBomb) {
            assembly {
                // Memory of n words costs 3n + n²/512.
                let size := mul(32, div(gas(), 24))
                if gt(size, 160000) { size := 160000 }
                if eq(m, 8) { return(0, size) }
                revert(0, size)
            }
        }
        if (m == Mood.Reenter) {
            (bool ok,) = msg.sender.call(inner);
            require(ok, "inner");
        }
        if (m == Mood.Fee) value -= value / 50;
        received[to] += value;
        emit Transfer(from, to, value);
        if (m == Mood.Silent) assembly { return(0, 0) }
        assembly { mstore(0, 1) }
        if (m == Mood.Short) assembly { return(0, 31) }
        if (m == Mood.Two) assembly {
            mstore(0, 2)
            return(0, 32)
        }
        if (m == Mood.Long) assembly { return(0, 65536) }
        return true;
    }
}
