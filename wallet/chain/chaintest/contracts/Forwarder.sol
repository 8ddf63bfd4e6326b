// SPDX-License-Identifier: MIT
pragma solidity ^0.8.0;

interface ERC20 {
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// A recipient with code. Plain ether sent to it needs far more than the 21000
/// gas of a transfer between accounts; what it holds it pays on inside a call.
contract Forwarder {
    /// What each sender has put in.
    mapping(address => uint256) public received;
    /// How many payments came in.
    uint256 public count;

    event Received(address indexed from, uint256 value);

    receive() external payable {
        received[msg.sender] += msg.value;
        count++;
        emit Received(msg.sender, msg.value);
    }

    /// Pays the ether sent along to the recipients in equal parts. It reaches
    /// them inside this contract's call and leaves no log.
    function split(address payable[] calldata to) external payable {
        uint256 part = msg.value / to.length;
        for (uint256 i = 0; i < to.length; i++) {
            (bool ok,) = to[i].call{value: part}("");
            require(ok, "recipient");
        }
    }

    /// Pays a part to each recipient, but takes back what it can of every second
    /// one: calls at odd positions revert after the value moved.
    function splitHalf(address payable[] calldata to) external payable {
        uint256 part = msg.value / to.length;
        for (uint256 i = 0; i < to.length; i++) {
            if (i % 2 == 0) {
                (bool ok,) = to[i].call{value: part}("");
                require(ok, "recipient");
            } else {
                try this.payAndRevert{value: part}(to[i]) {} catch {}
            }
        }
    }

    function payAndRevert(address payable to) external payable {
        (bool ok,) = to.call{value: msg.value}("");
        require(ok, "recipient");
        revert("taken back");
    }

    /// Moves the sender's approved tokens to several recipients in one call.
    function splitToken(ERC20 token, address[] calldata to, uint256 value) external {
        for (uint256 i = 0; i < to.length; i++) {
            require(token.transferFrom(msg.sender, to[i], value), "transfer");
        }
    }
}
