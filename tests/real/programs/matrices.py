# Linear algebra by a library that has threads of its own (OpenBLAS). What it prints does not depend on the order
# in which they add.
import numpy

source = numpy.random.default_rng(1)
size = 240
matrix = source.random((size, size)) + size * numpy.eye(size)
for step in range(SIZE):
    inverse = numpy.linalg.inv(matrix)
    off = numpy.abs(inverse @ matrix - numpy.eye(size)).max()
    values = numpy.linalg.eigvalsh(matrix + matrix.T)
    print(step, off < 1e-9, "%.4f" % values.sum(), flush=True)
    matrix = numpy.roll(matrix, 1, axis=0).T + size * numpy.eye(size)
    matrix /= numpy.abs(matrix).max() / size
