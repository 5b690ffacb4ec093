"""What runs teach, as values: found, chosen, judged and told here; kept by `memory.py`.

entries.py     one thing that is known, what is asked and what is recalled
words.py       the telling words of a text
scoring.py     what is about a question, the best of it, within a budget
signatures.py  an error as the same text wherever it happens
snippets.py    functions and classes of delivered code
documents.py   passages of documentation folders and of docstrings
stories.py     what failed in a run and what turned it
proposals.py   what a run's librarian proposes, and what a run itself shows
gates.py       what may not be kept
playbook.py    what became of that which was shown; scores that travel as JSON
seeds.json     errors every beginner's program has, with their fixes
"""
