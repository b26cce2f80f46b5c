"""The least that an operation takes on the modelled link, on average; docs/performance.md says why.

CI is the connection interval, T the advertising interval; both in seconds. A round trip takes two CI, the first
event comes half a CI after somebody asks. Set-up is three round trips: features, MTU, one client configuration.
"""
SET_UP = 6
DISCOVERY = 40


def floor(operation, ci, t):
    """Seconds; see FORMULAS."""
    return _FLOORS[operation](ci, t)


_FLOORS = {
    # the set-up leaves us at an event: nonce 2 CI, action 2 CI
    "action, cold": lambda ci, t: t / 2 + (SET_UP + 4) * ci,
    "action, first connection": lambda ci, t: t / 2 + (SET_UP + DISCOVERY + 4) * ci,
    "action, link up": lambda ci, t: 3.5 * ci,
    # the beacon that tells is missed for connecting: the next one is
    "state after a beacon": lambda ci, t: 1.5 * t + (SET_UP + 2) * ci,
    # connected while the motor ran: the lock's own word, nonce, request, one entry
    "keypad to user": lambda ci, t: 4.5 * ci,
    # nonce, request, then 20 entries and the end, each confirmed before the next
    "log page of 20": lambda ci, t: (2 + 2 + 2 * 20) * ci,
    # five messages each way
    "pairing": lambda ci, t: (SET_UP + DISCOVERY + 10) * ci,
}
FORMULAS = {
    "action, cold": "T/2 + 10 CI",
    "action, first connection": "T/2 + 50 CI",
    "action, link up": "3.5 CI",
    "state after a beacon": "1.5 T + 8 CI",
    "keypad to user": "4.5 CI",
    "log page of 20": "44 CI",
    "pairing": "56 CI",
}
