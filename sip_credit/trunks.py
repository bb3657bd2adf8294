"""Trunk groups: how many calls the peers of a group may have at one time, and begin within a second.

The calls are counted in the vault, over all workers and nodes. A channel is free again when its call has ended, was
refused or released, and by itself when the call's session would have lapsed.
"""

import logging

from charging.event import Channels, ChargingEvent, Limits, Room, Unavailable
from sip_credit.call import Call
from sip_credit.policy import Answer, Check
from sip_credit.settings import Peer, Settings

log = logging.getLogger(__name__)

LEEWAY = 5_000
"""Milliseconds for which a channel outlives its session's deadline: so long the session may still be renewed."""

_REFUSALS = {
    Room.CHANNELS: ("channel-limit", "34", "No circuit/channel available"),
    Room.RATE: ("call-rate-limit", "42", "Switching equipment congestion"),
}
"""The reason in our words, and the cause of Q.850 table 1 with its name."""


class Trunks:
    """The trunk groups of the settings, counted by ``channels``; without that no peer may be in a group."""

    def __init__(self, settings: Settings, channels: Channels | None) -> None:
        self._groups = {peer.name: peer.trunk_group for peer in settings.peers if peer.trunk_group}
        self._limits = {
            group.name: Limits(channels=group.channels, rate=group.calls_per_second) for group in settings.trunk_groups
        }
        if channels is not None:
            self._channels = channels
        elif self._groups:
            raise ValueError("trunk groups need somebody to count their channels")

    def limits(self, peer: Peer) -> bool:
        """Are the calls of this peer counted?"""
        return peer.name in self._groups

    async def occupy(self, check: Check) -> Room:
        """Take a channel for the call of a check; the same check again has the same. Raises Unavailable."""
        group = self._groups.get(check.peer.name)
        if group is None:
            return Room.FREE
        now = check.event.now
        until = now + (check.event.lifetime or 0) + LEEWAY
        return await self._channels.occupy(group, check.call.channel, self._limits[group], now, until)

    async def keep(self, call: Call, event: ChargingEvent) -> None:
        """The event has renewed the session of the call."""
        group = self._groups.get(call.peer)
        if group is None or not call.channel:
            return
        try:
            await self._channels.keep(group, call.channel, event.now + (event.lifetime or 0) + LEEWAY)
        except Unavailable as problem:
            log.warning("trunk group %s: a call goes on, but its channel may end before it: %s", group, problem)

    async def free(self, call: Call | None) -> None:
        """The call has ended or will not be. What cannot be said to the vault now, it sees by itself later."""
        group = self._groups.get(call.peer) if call else None
        if call is None or group is None or not call.channel:
            return
        try:
            await self._channels.free(group, call.channel)
        except Unavailable as problem:
            log.warning("trunk group %s: a channel stays occupied until its lease ends: %s", group, problem)


def refuse(room: Room, peer: Peer) -> Answer:
    """480, and no 503, which a proxy would take for a failure of ours and perhaps let the call through."""
    reason, cause, text = _REFUSALS[room]
    headers = ((f"{peer.header_prefix}Reason", reason), ("Reason", f'Q.850;cause={cause};text="{text}"'))
    return Answer(status=480, headers=headers if room is Room.CHANNELS else (*headers, ("Retry-After", "1")))
