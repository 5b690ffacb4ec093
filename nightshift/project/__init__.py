"""Code that people already have: how its tests are run, with which packages, and what they said before we came.

    reading.py       how the tests are run: files and settings, from pytest's, tox's, nox's and make's own files
      settings.py      pytest's configuration, and what of it holds in a sandbox
      commands.py      the commands that make, tox and nox would run
    packages.py      which packages the project says it needs
      markers.py       for which Python they are meant
    environment.py   the project's own virtual environment, or one prepared once
    box.py           a sandbox that runs each test the way its project does
    baseline.py      what passed, failed, wavered and was slow before anything was touched
    before.py        looking at it once in a run, and again when the plan is known
    standing.py      these tests as judges: what is demanded, what is excused
    retest.py        running them again, the nearest to the change first
    distribution.py  what the project would tell of itself, were it installed

Nothing of the project is run to read it: what only its own programs know is not known here.
"""
