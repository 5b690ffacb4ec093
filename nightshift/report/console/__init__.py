"""What happens in a run, shown as it happens: a live tree on a terminal, plain lines everywhere else.

    trace.subscribe(console := Console(sys.stderr))
    console.close()                             # what stands on the screen stays there

    observer.py     `Console`: which of the two, and what becomes of each record; read this first
    telling.py      a record in words
    live.py         when to paint: a thread of its own, so that a slow terminal holds nobody up
    picture.py      records and what is waited for -> the picture of a run; tree.py: the values it is made of
    drawing.py      picture -> lines of a given width and height; charset.py widths.py: characters and their columns
    painter.py      lines -> the terminal, in place

It is a view for people. Nothing may be parsed from it; the trace says the same and more.
"""

from nightshift.report.console.observer import Console
from nightshift.report.console.telling import NOTHING_BUILT, OWN_CHECKS, describe, final_line

__all__ = ["NOTHING_BUILT", "OWN_CHECKS", "Console", "describe", "final_line"]
