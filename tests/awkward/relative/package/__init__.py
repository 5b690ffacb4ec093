from .inner import question

answer = 42
assert question
