"""Training data from proved runs.

streaming  a trace line by line, and a run's outline          story     what of a run is in its result
origins    replies that may teach                             pairs     replies of which one is better
replies    what the runtime's parsers make of them            formats   the shapes of a line
gates      what is refused; secrets and near are two of them  split     train, valid and test
writing    examples in, a dataset out                         files     a dataset read back and judged
export     runs in, a dataset out; merged and filtered ones   domains   what a program is about
"""
