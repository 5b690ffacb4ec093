"""Running code that nobody trusts, and what can be believed of what it says. To read it, from the top:

    box.py          `open_sandbox` and the `Box` it gives: read this first

    oracle/         a pass confirmed with the tests in one jail and the code in another
      confirm.py      which files, and what their two runs say together
      fit.py          whether a test file suits, from its text alone
      run.py          the two processes and the channel between them
    testing/        a test run
      runs.py         from files and nodes to a report, warm or cold
      frames.py       from what the session said to a report: is it whole, does it add up
      early.py        what need not be run to be known, and what to run first
    jails.py        one call: its tree, its job, its result
    cells/          warm cells: processes with pytest ready, one fork for each candidate
      warmth.py       when a run may be warm, and that warm is the same as cold
      cell.py         the cells themselves, and one visit to one
    isolation/      which walls
      tiers.py        the tiers, strongest first, and what each asks of the launcher
      layout.py       what a jail contains, and where
      seccomp.py bubblewrap.py macos.py    the filter as bytes; two tiers of other makers
      probe.py        the self-test: shows from outside that the walls hold
    processes/      one process under bounds
      supervisor.py   a bounded number at once, none left at the end
      child.py        started, watched and ended; pipe.py: its output; usage.py: its memory and files
      job.py          what to run and what came of it; programs.py: how a program of ours is started
    interpreter/    the Python that generated code gets
      environment.py  a cached virtual environment with the packages a task needs
      requirements.py which packages may be asked for
      paths.py        the paths by which it runs; installed.py: its packages, and pytest's
    files/          trees on disk
      trees.py        a tree as a directory; removal.py: and gone, whatever was done in it
      snapshots.py    base trees, copied once
      nests.py        the directory of one sandbox, swept after a crash
    inside/         what runs in those processes, copied there as a whole; it has a map of its own

Each part imports only from those below it, and nothing in `inside/` from outside it.
docs/sandbox.md says what each tier holds back, docs/verdict.md what a verdict is worth.
"""
