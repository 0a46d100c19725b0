"""Compiled kernels: the arithmetic of `mho.kernels.reference`, arranged for one core's vector units.

These modules are templates. They are never run as they stand: `mho.compiler.compile` gathers a function and all that it
refers to into one module and compiles that module.

Every kernel takes the same first arguments: `start` and `stop`, the part of the work that the call does (lines,
vectors, images or replicas, as the kernel says; `stop` is not included), and `counts` (R, SIZE) int64, the counters of
`mho.kernels.counts`, which it adds to. Each thread has its own part and its own `counts`, so threads share nothing that
they write. Functions without these arguments are helpers of kernels.

Shapes: R replicas, T vectors, P physical lines, M outputs, N inputs, P = M·devices; arrays are float32 unless a kernel
says otherwise. Indices are `np.uintp`: Numba checks signed ones for wrap-around, which stops vectorisation.
"""
