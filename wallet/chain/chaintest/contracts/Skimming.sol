// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

/// A token that takes two parts in a hundred of every transfer on the way, and
/// logs what arrives, as tokens with a fee do.
contract Skimming {
    string public constant name = "Skimming";
    string public constant symbol = "SKIM";
    uint256 public constant decimals = 6;

    mapping(address => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(uint256 supply) {
        balanceOf[msg.sender] = supply;
        emit Transfer(address(0), msg.sender, supply);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        require(balanceOf[msg.sender] >= value, "balance");
        uint256 part = value - value / 50;
        balanceOf[msg.sender] -= value;
        balanceOf[to] += part;
        emit Transfer(msg.sender, to, part);
        emit Transfer(msg.sender, address(0xfee), value - part);
        balanceOf[address(0xfee)] += value - part;
        return true;
    }
}
