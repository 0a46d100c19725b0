"""Numbers by which the kernels of CoNNTrA know operations, losses, and the places in their memory."""

from __future__ import annotations

# kinds of operations
DENSE = 0
CONV = 1
TANH = 2
RELU = 3
SIGMOID = 4
HARDTANH = 5
MAX_POOL = 6
MEAN_POOL = 7

# columns of the table of operations; WEIGHTS is the place of the first weight, or -1 where there is none
KIND = 0
IN_ROW = 1
IN_ROWS = 2
OUT_ROW = 3
OUT_ROWS = 4
WEIGHTS = 5
FAN_IN = 6
IN_CHANNELS = 7
IN_HEIGHT = 8
IN_WIDTH = 9
OUT_CHANNELS = 10
OUT_HEIGHT = 11
OUT_WIDTH = 12
KERNEL_HEIGHT = 13
KERNEL_WIDTH = 14
STRIDE_Y = 15
STRIDE_X = 16
PADDING_Y = 17
PADDING_X = 18
COUNT_PADDING = 19
COLUMNS = 20

# losses
CROSS_ENTROPY = 0
SQUARED = 1
HINGE = 2
ZERO_ONE = 3

LARGEST_BLOCK = 512  # examples in a block at most

# header of the integers: sizes, then where the parts of integers begin, then where those of numbers begin
BLOCKS = 0
SIZE = 1
ROWS = 2
INPUTS = 3
OUTPUTS = 4
HIDDEN = 5
OPERATIONS = 6
LEVELS = 7
MAGNITUDES = 8
AT_TABLE = 9
AT_COUNTS = 10
AT_STARTS = 11
AT_CHANGED = 12
AT_CHANNELS = 13
AT_LEVEL = 14
AT_GROUPS = 15
AT_TERM_ROWS = 16
AT_CANDIDATES = 17
AT_VALUES = 18
AT_PROPOSED = 19
AT_CHANGES = 20
AT_WEIGHT = 21
AT_SLOPES = 22
AT_WORTH = 23
AT_SIZES = 24
AT_TARGETS = 25
AT_LABELS = 26
AT_HEAD = 27
AT_PULL = 28
AT_LOSSES = 29
AT_GIVEN = 30
AT_PICKED = 31
AT_TERM_WEIGHTS = 32
AT_GAINS = 33
AT_MOVED = 34
HEADER = 35
