print({tuple([1, 2]): "x"})
