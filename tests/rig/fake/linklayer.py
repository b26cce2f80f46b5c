"""What a link costs in time: a model of connection events. Without an interval nothing waits.

Central and peripheral meet once per connection interval. A PDU that is ready before an event goes over in it;
the answer, which the other side begins to make only then, goes over in the next one. So a round trip takes two
intervals, and half an interval more on average until the first event. The README beside says what is left out.
"""
import asyncio
import math

from objects import DBusFail


class LinkLayer:
    """One link, from the moment in which the advertisement was answered."""

    def __init__(self, interval):
        self.interval = interval            # seconds; None: everything arrives at once
        self.round_trips = 0
        self._anchor = asyncio.get_running_loop().time()
        self._last = 0                      # number of the last event that took place
        self._ready = []                    # what arrives in the next event, from both sides, in order
        self._timer = None
        self._answers = set()               # whoever waits for a response
        self._one_request = asyncio.Lock()  # ATT: one request at a time
        self._is_over = False

    def send(self, arrive):
        """A PDU, in either direction; arrive() is called when it is on the other side."""
        if self._is_over:
            return
        if self.interval is None:
            arrive()
            return
        self._ready.append(arrive)
        self._await_event()

    async def request(self, arrive=None):
        """One request and its response. Raises what BlueZ says when the link ends meanwhile."""
        async with self._one_request:
            if self._is_over:
                raise _gone()
            self.round_trips += 1
            answered = asyncio.get_running_loop().create_future()
            self._answers.add(answered)

            def at_the_other_side():
                # The response is made first: what else the request causes comes after it.
                self.send(lambda: answered.done() or answered.set_result(None))
                if arrive:
                    arrive()
            self.send(at_the_other_side)
            try:
                await answered
            finally:
                self._answers.discard(answered)

    def end(self):
        """The link is down: nothing arrives any more, and nobody waits for an answer any longer."""
        self._is_over = True
        self._ready.clear()
        if self._timer:
            self._timer.cancel()
        for answered in self._answers:
            if not answered.done():
                answered.set_exception(_gone())

    def _await_event(self):
        if self._timer is None:
            loop = asyncio.get_running_loop()
            # An event that is under way, or that has just been, is missed.
            number = max(self._last, math.floor((loop.time() - self._anchor) / self.interval)) + 1
            self._timer = loop.call_at(self._anchor + number * self.interval, self._event, number)

    def _event(self, number):
        self._last, self._timer = number, None
        arriving, self._ready = self._ready, []
        for arrive in arriving:
            if not self._is_over:
                arrive()
        if self._ready and not self._is_over:
            self._await_event()


def _gone():
    return DBusFail("org.bluez.Error.Failed", "Not connected")
