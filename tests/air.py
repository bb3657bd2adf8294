"""Word of mouth inside one process: what is said is heard at once. The bus without a store."""

from ocs.bus import Listener, Word


class Air:
    """As ``ocs.bus.Bus``; keeps all that was said."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.said: list[Word] = []

    async def say(self, word: Word) -> None:
        self.said.append(word)
        for listener in tuple(self.listeners):
            listener(word)
