"""Sums and products of rows in the processor's vector registers, for compiled loops.

numba compiles a loop over a short row into code that loads and stores memory. The functions here
use vectors of LLVM instead, so that a sum over many rows stays in registers from the first row to
the last. A *row* is `width(itemsize)` numbers, 128 bytes; LLVM splits it into the processor's
registers.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending, types

ROW_BYTES = 128  #: four registers of AVX, two of AVX-512

#: Independent sums that are added side by side, since each addition waits for the previous one.
_SIDE_BY_SIDE = 2


def width(itemsize: int) -> int:
    """How many numbers of this size make a row."""
    return ROW_BYTES // itemsize


def intrinsic(code: Callable) -> Callable[..., Any]:
    """numba's `intrinsic`, with type annotations that fit how compiled loops call the result."""
    return extending.intrinsic(code)


class _Builder:
    """Writes vector code into the function that numba builds.

    Args:
        context, builder, signature, values: the arguments that numba passes to the code generator
            of an intrinsic.
    """

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.builder, self.values = builder, values
        self.pointers = {
            i: context.make_array(kind)(context, builder, values[i]).data
            for i, kind in enumerate(signature.args)
            if isinstance(kind, types.Array)
        }
        self.size = signature.args[0].dtype.bitwidth // 8
        self.width = width(self.size)
        self.number = ir.FloatType() if self.size == 4 else ir.DoubleType()
        self.row = ir.VectorType(self.number, self.width)
        self.whole = ir.IntType(64)
        self.zero = ir.Constant(self.row, None)

    def constant(self, value: int) -> Any:
        return ir.Constant(self.whole, value)

    def _address(self, array: int, at: Any) -> Any:
        pointer = self.builder.gep(self.pointers[array], [at])
        return self.builder.bitcast(pointer, self.row.as_pointer())

    def load(self, array: int, at: Any) -> Any:
        """The row that begins at position `at` of an array."""
        row = self.builder.load(self._address(array, at))
        row.align = self.size
        return row

    def store(self, row: Any, array: int, at: Any) -> None:
        self.builder.store(row, self._address(array, at)).align = self.size

    def start_of_row(self, array: int, at: Any) -> Any:
        """The start of the row whose number is at position `at` of an array of int32."""
        number = self.builder.load(self.builder.gep(self.pointers[array], [at]))
        return self.builder.mul(self.builder.zext(number, self.whole), self.constant(self.width))

    def moved(self, base: Any, array: int, at: Any) -> Any:
        """A position plus an entry of an array of int32; their sum must not be negative."""
        number = self.builder.load(self.builder.gep(self.pointers[array], [at]))
        return self.builder.add(base, self.builder.sext(number, self.whole))

    def spread(self, array: int, at: Any) -> Any:
        """A row filled with the number at position `at` of an array."""
        number = self.builder.load(self.builder.gep(self.pointers[array], [at]))
        one = self.builder.insert_element(self.zero, number, ir.Constant(ir.IntType(32), 0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.width), [0] * self.width)
        return self.builder.shuffle_vector(one, self.zero, mask)

    def sums(self, first: Any, last: Any, stride: int, start: Any, add: Callable) -> Any:
        """Apply ``add`` to ``start`` at positions first, first + stride, ..., stopping before last.

        Args:
            first, last, stride: the range.
            start: a row, the initial sum.
            add: ``add(sum, position) -> sum``.
        """
        builder, side = self.builder, _SIDE_BY_SIDE
        block = builder.block
        many, some, rest, one, end = (builder.append_basic_block() for _ in range(5))
        step = self.constant(side * stride)
        stop = builder.sub(last, builder.srem(builder.sub(last, first), step))
        builder.branch(many)

        builder.position_at_end(many)
        at = builder.phi(self.whole)
        at.add_incoming(first, block)
        sums = [builder.phi(self.row) for _ in range(side)]
        for i, total in enumerate(sums):
            total.add_incoming(self.zero if i else start, block)
        builder.cbranch(builder.icmp_signed("<", at, stop), some, rest)

        builder.position_at_end(some)
        for i, total in enumerate(sums):
            here = builder.add(at, self.constant(i * stride))
            total.add_incoming(add(total, here), some)
        at.add_incoming(builder.add(at, step), some)
        builder.branch(many)

        builder.position_at_end(rest)
        together = sums[0]
        for total in sums[1:]:
            together = builder.fadd(together, total)
        entry = builder.append_basic_block()
        builder.branch(entry)
        builder.position_at_end(entry)
        late = builder.phi(self.whole)
        late.add_incoming(at, rest)
        total = builder.phi(self.row)
        total.add_incoming(together, rest)
        builder.cbranch(builder.icmp_signed("<", late, last), one, end)

        builder.position_at_end(one)
        total.add_incoming(add(total, late), one)
        late.add_incoming(builder.add(late, self.constant(stride)), one)
        builder.branch(entry)

        builder.position_at_end(end)
        return total


def _numbers(*kinds: Any) -> bool:
    return all(isinstance(kind, types.Array) for kind in kinds)


@intrinsic
def add_rows(typing, rows, places, first, last, begin, at_begin, out, at):
    """Write a row at ``out[at:]``: the row at ``begin[at_begin:]`` plus a sum of rows.

    The sum runs over the rows whose numbers are ``places[first:last]``.
    """

    def code(context, builder, signature, values):
        made = _Builder(context, builder, signature, values)

        def add(total, q):
            return builder.fadd(total, made.load(0, made.start_of_row(1, q)))

        start = made.load(4, values[5])
        made.store(made.sums(values[2], values[3], 1, start, add), 6, values[7])
        return context.get_dummy_value()

    if _numbers(rows, places, begin, out):
        whole = types.int64
        return types.void(rows, places, whole, whole, begin, whole, out, whole), code
    return None


@intrinsic
def add_scaled_rows(typing, rows, places, scales, first, last, begin, at_begin, out, at):
    """`add_rows` with each row multiplied by its entry of ``scales[first:last]``."""

    def code(context, builder, signature, values):
        made = _Builder(context, builder, signature, values)

        def add(total, q):
            row = made.load(0, made.start_of_row(1, q))
            return builder.fadd(total, builder.fmul(made.spread(2, q), row))

        start = made.load(5, values[6])
        made.store(made.sums(values[3], values[4], 1, start, add), 7, values[8])
        return context.get_dummy_value()

    if _numbers(rows, places, scales, begin, out):
        whole = types.int64
        given = (rows, places, scales, whole, whole, begin, whole, out, whole)
        return types.void(*given), code
    return None


@intrinsic
def inner_product(typing, a, at_a, b, at_b, count):
    """Sum of ``a[at_a + i] b[at_b + i]`` for i in range(count); count is a multiple of `width`."""

    def code(context, builder, signature, values):
        made = _Builder(context, builder, signature, values)
        made.pointers[1] = made.pointers.pop(2)
        _, at_a, _, at_b, count = values

        def add(total, i):
            left = made.load(0, builder.add(at_a, i))
            right = made.load(1, builder.add(at_b, i))
            return builder.fadd(total, builder.fmul(left, right))

        row = made.sums(made.constant(0), count, made.width, made.zero, add)
        size = made.width  # fold the row in halves
        while size > 1:
            size //= 2
            low, high = (
                builder.shuffle_vector(
                    row, row, ir.Constant(ir.VectorType(ir.IntType(32), size), list(half))
                )
                for half in (range(size), range(size, 2 * size))
            )
            row = builder.fadd(low, high)
        return builder.extract_element(row, ir.Constant(ir.IntType(32), 0))

    if _numbers(a, b):
        whole = types.int64
        return a.dtype(a, whole, b, whole, whole), code
    return None


BITS = 32  #: entries that are compared at once; the results are the bits of one number


def _compared(typing: Any, x: Any, wanted: float):
    """The code that compares `BITS` entries with `wanted`: one bit each, set where they differ."""

    def code(context, builder, signature, values):
        made = _Builder(context, builder, signature, values)
        row = ir.VectorType(made.number, BITS)
        pointer = builder.gep(made.pointers[0], [values[1]])
        entries = builder.load(builder.bitcast(pointer, row.as_pointer()))
        entries.align = made.size
        same = ir.Constant(row, [wanted] * BITS)
        bits = builder.fcmp_unordered("!=", entries, same)
        return builder.zext(builder.bitcast(bits, ir.IntType(BITS)), made.whole)

    if _numbers(x):
        return types.int64(x, types.int64), code
    return None


@intrinsic
def not_zero(typing, x, at):
    """One bit per entry of ``x[at:][:BITS]``, set where the entry is nonzero, NaN included."""
    return _compared(typing, x, 0.0)


@intrinsic
def not_one(typing, x, at):
    """One bit per entry of ``x[at:][:BITS]``, set where the entry is not 1."""
    return _compared(typing, x, 1.0)


@intrinsic
def count_bits(typing, bits):
    """How many bits are set."""
    return types.int64(types.int64), lambda _, builder, __, values: builder.ctpop(values[0])


@intrinsic
def lowest_bit(typing, bits):
    """The index of the lowest bit that is set."""

    def code(context, builder, signature, values):
        return builder.cttz(values[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), code


@intrinsic
def add_pieces(typing, numbers, base, places, first, last, begin, at_begin, out, at):
    """Like `add_rows`, for pieces that can begin anywhere, at ``numbers[base + places[q]:]``."""

    def code(context, builder, signature, values):
        made = _Builder(context, builder, signature, values)

        def add(total, q):
            return builder.fadd(total, made.load(0, made.moved(values[1], 2, q)))

        start = made.load(5, values[6])
        made.store(made.sums(values[3], values[4], 1, start, add), 7, values[8])
        return context.get_dummy_value()

    if _numbers(numbers, places, begin, out):
        whole = types.int64
        given = (numbers, whole, places, whole, whole, begin, whole, out, whole)
        return types.void(*given), code
    return None


@intrinsic
def add_scaled_pieces(typing, numbers, base, places, scales, first, last, begin, at_begin, out, at):
    """`add_pieces` with each piece multiplied by its entry of ``scales[first:last]``."""

    def code(context, builder, signature, values):
        made = _Builder(context, builder, signature, values)

        def add(total, q):
            piece = made.load(0, made.moved(values[1], 2, q))
            return builder.fadd(total, builder.fmul(made.spread(3, q), piece))

        start = made.load(6, values[7])
        made.store(made.sums(values[4], values[5], 1, start, add), 8, values[9])
        return context.get_dummy_value()

    if _numbers(numbers, places, scales, begin, out):
        whole = types.int64
        given = (numbers, whole, places, scales, whole, whole, begin, whole, out, whole)
        return types.void(*given), code
    return None


WIDE = 3  #: number of rows to which `add_scaled_wide` adds: as many as fit in registers


@intrinsic
def add_scaled_wide(typing, numbers, base, places, scales, first, last, out, at):
    """Like `add_scaled_pieces`, but adds to `WIDE` rows at ``out[at:]``."""

    def code(context, builder, signature, values):
        made = _Builder(context, builder, signature, values)
        _, base, _, _, first, last, _, to = values
        ats = [builder.add(to, made.constant(i * made.width)) for i in range(WIDE)]
        starts = [made.load(6, at) for at in ats]
        before = builder.block
        head, body, end = (builder.append_basic_block() for _ in range(3))
        builder.branch(head)

        builder.position_at_end(head)
        q = builder.phi(made.whole)
        q.add_incoming(first, before)
        rows = [builder.phi(made.row) for _ in range(WIDE)]
        for row, start in zip(rows, starts, strict=True):
            row.add_incoming(start, before)
        builder.cbranch(builder.icmp_signed("<", q, last), body, end)

        builder.position_at_end(body)
        place, scale = made.moved(base, 2, q), made.spread(3, q)
        for i, row in enumerate(rows):
            piece = made.load(0, builder.add(place, made.constant(i * made.width)))
            row.add_incoming(builder.fadd(row, builder.fmul(scale, piece)), body)
        q.add_incoming(builder.add(q, made.constant(1)), body)
        builder.branch(head)

        builder.position_at_end(end)
        for row, at in zip(rows, ats, strict=True):
            made.store(row, 6, at)
        return context.get_dummy_value()

    if _numbers(numbers, places, scales, out):
        whole = types.int64
        given = (numbers, whole, places, scales, whole, whole, out, whole)
        return types.void(*given), code
    return None


@intrinsic
def move_entries(typing, source, at, plus, target, to):
    """Write ``source[at:]`` plus `plus` to ``target[to:]``, for `BITS` int32 entries."""

    def code(context, builder, signature, values):
        made = _Builder(context, builder, signature, values)
        row = ir.VectorType(ir.IntType(32), BITS)

        def address(array, position):
            pointer = builder.gep(made.pointers[array], [position])
            return builder.bitcast(pointer, row.as_pointer())

        entries = builder.load(address(0, values[1]))
        entries.align = 4
        number = builder.trunc(values[2], ir.IntType(32))
        zero = ir.Constant(row, None)
        one = builder.insert_element(zero, number, ir.Constant(ir.IntType(32), 0))
        spread = builder.shuffle_vector(one, zero, zero)
        builder.store(builder.add(entries, spread), address(3, values[4])).align = 4
        return context.get_dummy_value()

    if _numbers(source, target):
        whole = types.int64
        return types.void(source, whole, whole, target, whole), code
    return None
