"""A machine with one simulated disk and nothing else, for tests of the disk and of what is written to it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.simulation.disk import Disk
from tests.simulation.scheduler import Process, Scheduler


class Machine:
    """A machine with one disk."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.random = Random(seed)
        self.counts: Counter[str] = Counter()
        self.log: list[str] = []
        self.scheduler = Scheduler(self.random, 0.2, lambda thread, what: self.log.append(f"{thread.process} {what}"))
        self.disk = Disk(self, folder)

    def run(self, *jobs: Callable[[], object], after: Callable[[], object] = lambda: None) -> None:
        """Run each job in a process of its own, all at the same time, and then `after`."""

        def all_of_them() -> None:
            threads = [self.scheduler.spawn(self.scheduler.process("job"), job, "main") for job in jobs]
            for thread in threads:
                self.scheduler.join(thread)
            after()

        with self.disk.installed():
            self.scheduler.run(all_of_them)
        assert self.disk.errors == []
        for _, error in self.scheduler.crashes:
            raise error

    def cut_power(self, process: Process) -> None:
        self.scheduler.kill(process, then=lambda: self.disk.power_cut(self.random))

    def kill(self, process: Process) -> None:
        self.scheduler.kill(process)
