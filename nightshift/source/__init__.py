"""Reading and changing Python source as text: pure functions, no files, no processes, no network.

replies.py    code and JSON out of a model's reply; substance.py says whether that code is real
interfaces.py signatures of a module: read, compared, rendered; stubs.py turns them into importable stubs
facts.py      what one text says, read once and kept by content; signatures.py its interface, imports.py its imports
graph.py      which project file imports which, and which of its names it uses; roots.py by which names
ranking.py    which files a task is about, at a glance (glance.py); outline.py a long text in few characters
asked.py      what a model asks to see of the project; style.py how the project writes its code
edits/        search/replace edits and whole definitions out of a reply
normal.py     one fingerprint for the same program written differently
fixes/        mechanical faults mended without a model
splice.py     one file from units of two; units.py finds them, needs.py and splice_needs.py what comes along
mutants.py    small wrong versions of a file, by the rules of mutations.py
probes.py     calls that tell versions apart: arguments.py, replayed.py; behaviours.py runs them, in the sandbox only
source_safety.py says whether a generated source file reaches for the test runner; credentials.py hides secrets
tests_pool.py several sampled test files merged into one; tests_units.py and tests_safety.py read one
"""
