"""Small H.264 streams whose pictures show the reference picture lists that they were decoded with.

Each picture is one row of macroblocks. The first one is I_PCM with samples of its own, the others
copy the first one of one entry of a reference picture list each. The streams obey the rules of
frame_num, order counts and marking; which picture an entry of a list is, they do not know.

Where libavcodec leaves the standard, they do not go: it keeps the order count that a picture with
operation 5 had before, sees no gap in frame_num behind a non-reference picture, and no wrap of
frame_num inside a gap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from refcodec.avc.bit_writer import BitWriter
from refcodec.avc.nal import add_emulation_prevention

P, B, I = 0, 1, 2  # noqa: E741
MOST_REFERENCES = 5
MOST_BETWEEN = 2
WIDTH_MBS = 2 * MOST_REFERENCES + 3


@dataclass(slots=True)
class Reference:
    """frame_num of a short-term picture, or long-term index; whether it has samples."""

    frame_num: int
    index: int = -1
    existing: bool = True


@dataclass
class Stream:
    """A stream in the making. `units` are its access units, lists of NAL units."""

    random: Random
    units: list[list[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        choose = self.random
        self.poc_type = choose.randrange(3)
        self.log2_max_frame_num = choose.choice((4, 4, 5))
        self.log2_max_lsb = choose.choice((5, 6, 8))
        self.max_num_ref_frames = choose.randint(1, MOST_REFERENCES)
        self.gaps_allowed = choose.random() < 0.4
        self.restricted = choose.random() < 0.5
        self.weighted_pred = choose.random() < 0.5
        self.weighted_bipred = choose.randrange(3)
        self.cycle = [choose.randint(1, 6) for _ in range(choose.randrange(3))]
        self.offset_non_ref = -1
        self.references: list[Reference] = []
        self.max_index = -1
        self.frame_num = 0
        self.previous = 0
        self.base = 0
        self.serial = 0
        self.idr_pic_id = 0
        self.was_reset = False
        self.was_reference = True

    # ------------------------------------------------------------------------ parameter sets

    def parameter_sets(self) -> list[bytes]:
        bits = BitWriter()
        for value in (77, 0, 40):
            bits.u(8, value)
        bits.ue(0)
        bits.ue(self.log2_max_frame_num - 4)
        bits.ue(self.poc_type)
        if self.poc_type == 0:
            bits.ue(self.log2_max_lsb - 4)
        elif self.poc_type == 1:
            bits.u(1, 0)
            bits.se(self.offset_non_ref)
            bits.se(0)
            bits.ue(len(self.cycle))
            for offset in self.cycle:
                bits.se(2 * offset)
        bits.ue(self.max_num_ref_frames)
        bits.u(1, self.gaps_allowed)
        bits.ue(WIDTH_MBS - 1)
        bits.ue(0)
        bits.u(3, 0b110)  # frame_mbs_only, direct_8x8_inference, no cropping
        bits.u(1, self.restricted)
        if self.restricted:
            bits.u(5, 0)  # aspect ratio, overscan, signal type, chroma place, timing: not there
            bits.u(4, 0b0001)  # hrd twice, pic_struct: not there; restriction there
            bits.u(1, 1)
            for value in (0, 0, 10, 10, MOST_BETWEEN + 1, MOST_REFERENCES + MOST_BETWEEN + 2):
                bits.ue(value)
        bits.trailing_bits()
        sps = b"\x67" + add_emulation_prevention(bits.to_bytes())
        bits = BitWriter()
        for _ in range(2):
            bits.ue(0)
        bits.u(2, 0)
        for _ in range(3):
            bits.ue(0)
        bits.u(1, self.weighted_pred)
        bits.u(2, self.weighted_bipred)
        for _ in range(3):
            bits.se(0)
        bits.u(3, 0b100)
        bits.trailing_bits()
        return [sps, b"\x68" + add_emulation_prevention(bits.to_bytes())]

    # ------------------------------------------------------------------------------ pictures

    @property
    def max_frame_num(self) -> int:
        return 1 << self.log2_max_frame_num

    def existing(self) -> list[Reference]:
        return [each for each in self.references if each.existing]

    def make(self, groups: int) -> list[list[bytes]]:
        """Return the access units of a stream."""
        self.idr()
        for _ in range(groups):
            if self.random.random() < 0.08:
                self.idr()
            else:
                self.group()
        return self.units

    def idr(self) -> None:
        long_term = self.random.random() < 0.3
        self.references = [Reference(0, 0 if long_term else -1)]
        self.max_index = 0 if long_term else -1
        self.previous = self.base = 0
        self.was_reset, self.was_reference = False, True
        self.idr_pic_id ^= 1
        bits = self.header(I, True, 3, 0, 0)
        bits.u(1, self.random.random() < 0.3)
        bits.u(1, long_term)
        self.finish(bits, I, True, 3, [], parameters=True)

    def group(self) -> None:
        """An anchor picture, and pictures that precede it in output order."""
        between = 0 if self.poc_type == 2 else self.random.randint(0, MOST_BETWEEN)
        if self.poc_type == 1:
            between = 0
        step = 2 * (between + 1)
        anchor = self.base + step
        resets = between == 0 and self.random.random() < 0.1
        self.picture(anchor, self.random.choice((P, P, I)), True, resets)
        if resets:
            self.base = 0
            return
        for number in self.random.sample(range(between), between):
            kind = self.random.choice((B, B, P))
            self.picture(self.base + 2 * number + 2, kind, self.random.random() < 0.4, False)
        self.base = anchor

    def picture(self, count: int, kind: int, reference: bool, resets: bool) -> None:
        number = (self.previous + 1) % self.max_frame_num
        short = any(each.index < 0 for each in self.references)
        room = len(self.references) < self.max_num_ref_frames
        missing = self.random.randint(1, 3)
        possible = self.gaps_allowed and (short or room) and self.was_reference
        wraps = number == 0 or number + missing >= self.max_frame_num
        if possible and not wraps and self.random.random() < 0.2:
            for _ in range(missing):
                self.slide()
                self.references.append(Reference(number, existing=False))
                number = (number + 1) % self.max_frame_num
            self.previous = (number - 1) % self.max_frame_num
        self.frame_num = number
        if not self.existing():
            kind = I
        elif kind == B and self.was_reset:
            kind = P
        ref_idc = 2 if reference else 0
        bits = self.header(kind, False, ref_idc, number, count)
        entries = self.lists(bits, kind)
        self.weights(bits, kind, entries)
        if reference:
            self.mark(bits, resets)
            self.previous = 0 if resets else number
            self.was_reset |= resets
        self.was_reference = reference
        self.finish(bits, kind, False, ref_idc, entries)

    def header(self, kind: int, idr: bool, ref_idc: int, frame_num: int, count: int) -> BitWriter:
        bits = BitWriter()
        bits.ue(0)
        bits.ue(kind + 5)
        bits.ue(0)
        bits.u(self.log2_max_frame_num, frame_num)
        if idr:
            bits.ue(self.idr_pic_id)
        if self.poc_type == 0:
            bits.u(self.log2_max_lsb, count % (1 << self.log2_max_lsb))
        elif self.poc_type == 1:
            bits.se(0)
        if kind == B:
            bits.u(1, 1)
        return bits

    def lists(self, bits: BitWriter, kind: int) -> list[int]:
        """Write sizes and modifications of the lists; return the sizes."""
        if kind == I:
            return []
        gap = len(self.existing()) < len(self.references)
        most = min(len(self.existing()), MOST_REFERENCES)
        sizes = [self.random.randint(1, most) for _ in range(1 + (kind == B))]
        bits.u(1, 1)
        for size in sizes:
            bits.ue(size - 1)
        for size in sizes:
            # Entries that may be frames that do not exist are all replaced.
            count = size if gap else self.random.choice((0, 0, self.random.randint(1, size)))
            bits.u(1, count > 0)
            if not count:
                continue
            predicted = self.frame_num
            for _ in range(count):
                picture = self.random.choice(self.existing())
                if picture.index >= 0:
                    bits.ue(2)
                    bits.ue(picture.index)
                    continue
                difference = (picture.frame_num - predicted) % self.max_frame_num
                down = -difference % self.max_frame_num
                if down and (self.random.random() < 0.7 or not difference):
                    bits.ue(0)
                    bits.ue(down - 1)
                elif difference:
                    bits.ue(1)
                    bits.ue(difference - 1)
                else:
                    bits.ue(0)
                    bits.ue(self.max_frame_num - 1)
                predicted = picture.frame_num
            bits.ue(3)
        return sizes

    def weights(self, bits: BitWriter, kind: int, sizes: list[int]) -> None:
        if not ((kind == P and self.weighted_pred) or (kind == B and self.weighted_bipred == 1)):
            return
        choose = self.random
        luma, chroma = choose.randint(0, 6), choose.randint(0, 6)
        bits.ue(luma)
        bits.ue(chroma)
        for size in sizes:
            for _ in range(size):
                for count, denominator in ((1, luma), (2, chroma)):
                    flag = choose.random() < 0.5
                    bits.u(1, flag)
                    for _ in range(count if flag else 0):
                        bits.se(choose.randint(-20, 60) if denominator > 4 else 1)
                        bits.se(choose.randint(-40, 40))

    # ------------------------------------------------------------------------------- marking

    def slide(self) -> None:
        if len(self.references) < self.max_num_ref_frames:
            return
        short = [each for each in self.references if each.index < 0]
        self.references.remove(short[0])

    def mark(self, bits: BitWriter, resets: bool) -> None:
        """Write dec_ref_pic_marking and keep account."""
        short = [each for each in self.references if each.index < 0]
        full = len(self.references) >= self.max_num_ref_frames
        must = full and not short
        current = Reference(self.frame_num)
        if not (resets or must or self.random.random() < 0.4):
            bits.u(1, 0)
            self.slide()
            self.references.append(current)
            return
        bits.u(1, 1)
        if resets:
            bits.ue(5)
            self.references, self.max_index = [], -1
            current.frame_num = 0
        elif full:
            self.unmark(bits)
        for _ in range(self.random.randrange(3)):
            self.operate(bits, current, resets)
        bits.ue(0)
        self.references.append(current)

    def unmark(self, bits: BitWriter) -> None:
        picture = self.random.choice(self.references)
        self.references.remove(picture)
        if picture.index >= 0:
            bits.ue(2)
            bits.ue(picture.index)
        else:
            bits.ue(1)
            bits.ue((self.frame_num - picture.frame_num - 1) % self.max_frame_num)

    def operate(self, bits: BitWriter, current: Reference, resets: bool) -> None:
        operation = self.random.choice((1, 3, 4, 6))
        short = [each for each in self.existing() if each.index < 0]
        if operation == 1 and len(self.references) > 1 and not resets:
            self.unmark(bits)
        elif operation == 4 and not resets and current.index < 0:
            bits.ue(4)
            self.max_index = self.random.randint(-1, 3)
            bits.ue(self.max_index + 1)
            self.references = [each for each in self.references if each.index <= self.max_index]
        elif operation == 3 and short and self.max_index >= 0 and not resets:
            picture = self.random.choice(short)
            index = self.random.randint(0, self.max_index)
            if current.index == index:
                return
            self.references = [
                each for each in self.references if each.index != index or each is picture
            ]
            bits.ue(3)
            bits.ue((self.frame_num - picture.frame_num - 1) % self.max_frame_num)
            bits.ue(index)
            picture.index = index
        elif operation == 6 and self.max_index >= 0 and current.index < 0:
            current.index = self.random.randint(0, self.max_index)
            self.references = [each for each in self.references if each.index != current.index]
            bits.ue(6)
            bits.ue(current.index)

    # ---------------------------------------------------------------------------- slice data

    def finish(
        self,
        bits: BitWriter,
        kind: int,
        idr: bool,
        ref_idc: int,
        sizes: list[int],
        parameters: bool = False,
    ) -> None:
        bits.se(0)
        bits.ue(1)  # disable_deblocking_filter_idc
        self.serial += 1
        levels = [(37 * self.serial + 11) % 256, (91 * self.serial) % 256, 7 * self.serial % 256]
        if kind == I:
            for _ in range(WIDTH_MBS):
                self.pcm(bits, 25, levels)
        else:
            bits.ue(0)
            self.pcm(bits, 30 if kind == P else 48, levels)
            self.copies(bits, kind, sizes)
        bits.trailing_bits()
        header = bytes([ref_idc << 5 | (5 if idr else 1)])
        unit = [header + add_emulation_prevention(bits.to_bytes())]
        self.units.append([*self.parameter_sets(), *unit] if parameters else unit)

    @staticmethod
    def pcm(bits: BitWriter, mb_type: int, levels: list[int]) -> None:
        bits.ue(mb_type)
        bits.align_with_zeros()
        for level, count in zip(levels, (256, 64, 64), strict=True):
            bits.u(8 * count, int.from_bytes(bytes([level]) * count, "big"))

    def copies(self, bits: BitWriter, kind: int, sizes: list[int]) -> None:
        """Macroblocks with the vector to the first one: those of list 0, of list 1, of both."""
        vectors = [0, 0]
        uses = [(number, entry) for number, size in enumerate(sizes) for entry in range(size)]
        blocks: list[list[tuple[int, int]]] = [[use] for use in uses]
        if kind == B:
            blocks.append([(number, size - 1) for number, size in enumerate(sizes)])
        blocks = blocks[: WIDTH_MBS - 1]
        for place in range(1, WIDTH_MBS):
            if place > len(blocks):
                bits.ue(0)
                bits.ue(0 if kind == P else 1)
                block = [(0, 0)]
            else:
                block = blocks[place - 1]
                bits.ue(0)
                lists = {number for number, _ in block}
                bits.ue(0 if kind == P else {(0,): 1, (1,): 2, (0, 1): 3}[tuple(sorted(lists))])
            for number, entry in block:
                if sizes[number] == 2:
                    bits.u(1, 1 - entry)
                elif sizes[number] > 2:
                    bits.ue(entry)
            used = dict(block)
            for number, _ in block:
                bits.se(-64 * place - vectors[number])
                bits.se(0)
            vectors = [-64 * place if number in used else 0 for number in range(2)]
            bits.ue(0)  # coded_block_pattern 0
