"""All of ours that runs in processes of its own. A box copies this package as a whole and starts its programs there,
named `_nightshift`; so nothing here imports anything else of ours, and modules know each other by relative names.

    plugin.py       the program of a test run: pytest in a jail, telling what happens through a private descriptor
    reporters.py    its watch over the session: what ran and how it ended, time limits, canaries
    lines.py        which lines each test runs, where that was asked
    launch/         the program that puts a process behind its walls, in a bare interpreter
      launcher.py     from the plan to the command; kernel.py: the kernel calls that Python does not have
      namespaces.py root.py    Tier A: namespaces, and a root that holds an allow-list
      reaper.py landlock.py    Tier B: ends whatever was left; gives up paths and signals
    cell/           the program of a warm cell
      server.py       makes pytest ready, forks a child for each candidate; channel.py: hears who
      walls.py        puts each child behind walls of its own
      gate.py         where the session waits until its files are known; rewritten.py: asserts rewritten once
      facts.py        what a process is like before it collects: warm must equal cold
    oracle/         the two ends of the link between tests and code, each in a jail
      tests.py code.py      the program of each end; peer.py: what both do, asking and answering
      wire.py values.py     frames; how a value crosses
      modules.py            the project's modules, as the tests import them
      mirrors.py classes.py guards.py facts.py    what stands for an object of the other side
      twins.py              containers that both sides have
"""
