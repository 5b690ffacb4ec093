"""A queue of tasks for the night. To read it, from the top:

    tasks.py        a Markdown file with front matter -> a task
    order.py        whose turn it is: dependencies, starvation, priority, easy wins first (pure)
    budget.py       how much of the night's budget a task may use (pure)
    folder.py       the queue's folder: done/, failed/, nights/, its lock; moves that can be done again
    journal.py      the queue's own log, from which a night goes on after a kill
    memory.py       what the journal adds up to (pure)
    running.py      one task: the orchestrator as a process, its result read back
    processes.py    a process that ends when it is told to, and leaves no child
    night.py        the loop over all of them: read this after tasks.py
    cluster.py      the same tasks on other machines, through Dask
    morning.py      what the report of a night is made of
    standing.py     dead or slow? what --status answers
    notify.py schedule.py    telling the user's own program; the crontab line and the systemd timer

Nothing here runs what a model wrote: that is the orchestrator's, in its sandbox.
"""
