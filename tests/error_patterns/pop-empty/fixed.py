stack = []
print(stack.pop() if stack else None)
