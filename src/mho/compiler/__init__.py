"""Laws and kernels, from source to native code that is cached on disk, and the threads that run it."""
