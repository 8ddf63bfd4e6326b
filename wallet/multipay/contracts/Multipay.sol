// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// Pays many recipients in one transaction out of the caller's own funds.
///
/// It has no owner, no storage and no way to be changed, and nothing rests in it:
/// tokens go from the caller to each recipient by the caller's allowance, and of
/// the ether sent along each wei is with a recipient or back with the caller when
/// the call ends. One recipient's payment may fail without the others': each has a
/// bound of gas and an event that says whether it was paid.
///
/// What is called may call back into this contract. It finds no state to spoil,
/// pays with its own funds, and the events that it causes name it as the payer.
contract Multipay {
    struct Payment {
        address to;
        uint256 amount;
    }

    /// One for each payment, in the order of the list, whose positions count from
    /// 0. The zero token is the chain's coin. Without ok, nothing has moved.
    event Paid(
        address indexed payer,
        address indexed token,
        address indexed to,
        uint256 position,
        uint256 amount,
        bool ok
    );

    /// The token has no code, and calls of it would succeed without paying.
    error NoToken(address token);
    /// The payments do not add up to the ether that was sent along.
    error WrongSum(uint256 sum, uint256 value);
    /// A payment might have been given less than the gas that it is allowed, and
    /// failed for want of it.
    error TooLittleGas(uint256 position);
    /// The token did not pay.
    error NotPaid();
    /// The caller did not take back what could not be paid.
    error NotTakenBack(uint256 amount);

    /// What must be left beside the gas of a payment and the 64th that a call has
    /// to leave behind (EIP-150): more than a call itself costs, new account
    /// and value included.
    uint256 private constant RESERVE = 100_000;

    /// Pays tokens of the caller, who has allowed this contract to move their sum.
    /// Each payment has gasEach.
    function payTokens(address token, uint256 gasEach, Payment[] calldata payments) external {
        if (token.code.length == 0) revert NoToken(token);
        uint256 needed = gasNeeded(gasEach);
        for (uint256 i = 0; i < payments.length; i++) {
            if (gasleft() < needed) revert TooLittleGas(i);
            address to = payments[i].to;
            uint256 amount = payments[i].amount;
            emit Paid(msg.sender, token, to, i, amount, payTokenApart(token, gasEach, to, amount));
        }
    }

    /// Pays tokens of the caller to one recipient, or reverts. The token must return
    /// true or nothing.
    function payToken(address token, address to, uint256 amount) external {
        bytes memory data = abi.encodeWithSelector(0x23b872dd, msg.sender, to, amount); // transferFrom
        bool ok;
        assembly ("memory-safe") {
            mstore(0, 0) // so that less than a word does not read as true
            ok := call(gas(), token, 0, add(data, 32), mload(data), 0, 32)
            if returndatasize() {
                ok := and(ok, eq(mload(0), 1))
            }
        }
        if (!ok) revert NotPaid();
    }

    /// Pays the ether that is sent along, which must be the exact sum. Each
    /// recipient is called without data and with gasEach, and the 2300 that every
    /// call with value gives. What one does not take goes back to the caller.
    function payCoin(uint256 gasEach, Payment[] calldata payments) external payable {
        uint256 needed = gasNeeded(gasEach);
        uint256 sum;
        uint256 left;
        for (uint256 i = 0; i < payments.length; i++) {
            if (gasleft() < needed) revert TooLittleGas(i);
            address to = payments[i].to;
            uint256 amount = payments[i].amount;
            sum += amount;
            bool ok = send(gasEach, to, amount);
            if (!ok) left += amount;
            emit Paid(msg.sender, address(0), to, i, amount, ok);
        }
        if (sum != msg.value) revert WrongSum(sum, msg.value);
        if (left > 0 && !send(gasleft(), msg.sender, left)) revert NotTakenBack(left);
    }

    function gasNeeded(uint256 gasEach) private pure returns (uint256) {
        return gasEach + gasEach / 63 + RESERVE;
    }

    /// Does what payToken does for the same caller, in a call of its own, so that all
    /// that the token did is undone where it says that it did not pay. Copies nothing
    /// of what is returned.
    function payTokenApart(address token, uint256 gasEach, address to, uint256 amount) private returns (bool ok) {
        bytes memory data = abi.encodeCall(this.payToken, (token, to, amount));
        assembly ("memory-safe") {
            ok := delegatecall(gasEach, address(), add(data, 32), mload(data), 0, 0)
            mstore(0x40, data) // the next one takes the same memory
        }
    }

    /// Sends ether and copies nothing of what is returned.
    function send(uint256 gasEach, address to, uint256 amount) private returns (bool ok) {
        assembly ("memory-safe") {
            ok := call(gasEach, to, amount, 0, 0, 0, 0)
        }
    }
}
