"""Clients that keep a server busy while a test does something to it."""

import threading
from abc import ABC, abstractmethod
from typing import Self


class Clients(ABC):
    """Threads that send without pause until the block ends; a subclass says what is sent."""

    def __init__(self, count: int) -> None:
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(number,)) for number in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @abstractmethod
    def send(self, number: int) -> None:
        """Send once, as the client of this number; called again and again."""

    def pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the block."""
        self._stopping.wait(seconds)

    def _work(self, number: int) -> None:
        while not self._stopping.is_set():
            self.send(number)
