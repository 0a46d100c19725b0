"""Compiled kernels: the arithmetic of `mho.kernels.reference`, arranged for one core's vector units.

These modules are templates. They are never run as they stand: `mho.compiler.compile` gathers a
function and all it refers to into one module and compiles that. Each kernel works on the lines
`start` to `stop` and adds to a private `counts`, so that threads share nothing.
"""
