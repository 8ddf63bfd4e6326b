// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// A token whose Transfer logs do not tell what its balances become: it keeps two
/// parts in a hundred of every transfer, and its owner can change all balances at
/// once without a log, as tokens do that rebase.
contract Shifty {
    string public constant name = "Shifty";
    string public constant symbol = "SHF";
    uint256 public constant decimals = 6;

    mapping(address => uint256) private shares;
    uint256 private percent = 100;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(uint256 supply) {
        shares[msg.sender] = supply;
        emit Transfer(address(0), msg.sender, supply);
    }

    function balanceOf(address owner) public view returns (uint256) {
        return shares[owner] * percent / 100;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        uint256 part = value * 100 / percent;
        require(shares[msg.sender] >= part, "balance");
        shares[msg.sender] -= part;
        shares[to] += part * 98 / 100;
        emit Transfer(msg.sender, to, value);
        return true;
    }

    /// Makes every balance so many hundredths of what was first held.
    function rebase(uint256 percent_) external {
        percent = percent_;
    }
}
