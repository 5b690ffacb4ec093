"""Choosing a model and its settings by measuring, for doctor.py. To read it, from the top:

    desk.py         from an order to a stored decision and its page
    calibration.py  the loop: the first model that passes the gate, then its knobs, within a budget
    plan.py         which models, in which order, and how far each knob can be turned
    climb.py        which cell is best and which comes next: the one judge
    bench.py        one cell measured with real requests; managed.py: on a server of ours, started anew for it
    gate.py         the canary, and what a reply must be like for its cell to count
    trials.py       the words (Knobs, Trial, Run) and the file that remembers them
    profile.py report.py    the settings proposed; the page
    findings.py machine.py  what doctor.py says of servers, and of this machine's memory

Speed never chooses between models; it only turns the knobs of the one chosen.
"""
