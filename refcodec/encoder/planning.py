"""Decisions before the sequence is encoded: rung, prompts, kinds of keyframes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from math import inf, isfinite

from refcodec.encoder import keyframe_choice, rung_choice
from refcodec.encoder.avc_job import AvcSettings
from refcodec.encoder.context import EncodeContext
from refcodec.encoder.keyframe_choice import SharedRate
from refcodec.encoder.picture_store import PictureStore, StoredPictures
from refcodec.encoder.rate_control import CrfGuess, clamped, crf_for_rate, initial_crf
from refcodec.encoder.resizing import CodedSize, coded_size
from refcodec.encoder.rung_choice import (
    DEFAULT_PROMPT_SHARE,
    RungChoice,
    RungTrials,
    contenders,
    measure_together,
    measured,
)
from refcodec.encoder.segment_job import PromptChoice
from refcodec.encoder.settings import (
    quality_to_crf,
    quality_to_prompt_scale_index,
)
from refcodec.encoder.trial import TrialJob, run_trial_job

_FULL_SIZE = Fraction(1)
_MOST_TRIED = 5
_SPARED = 0.8
"""What is tried of the part of the rate for prompts where the preset's manner lost, which takes more bits for pictures
than the one for content that moves (docs/decisions/0035)."""
_WORTH_SPARING = 0.97
"""Distance, times that of the whole part, from which the smaller one is taken."""
_PLAIN_COUNTS = 0.98
"""Part of a distance that counts in the manner of the preset: that for content that moves is worse elsewhere, so it
must be better by more than the measure errs."""
_FITTED_COUNTS = 0.95
"""Part of a distance that counts behind a generated keyframe that is going to be fitted (docs/decisions/0021)."""
LARGEST_REFINED = 1920 * 1088
"""Luma samples of a picture up to which prompts are refined: gradients take 1.5 kB a sample in each worker."""


@dataclass(frozen=True, slots=True)
class Settled:
    """How a sequence is going to be encoded. avc: settings of x264 that all segments share; crf: where the search for
    the rate begins; distance: by trials with these settings, what counts of it, or infinite without; restless: whether
    pictures are coded in the manner for content that moves."""

    choice: RungChoice
    avc: AvcSettings
    crf: float
    distance: float = inf
    restless: bool = False


class Planner:
    """Chooses rung, prompts and kinds of keyframes of a sequence."""

    def __init__(self, context: EncodeContext, target_size: float | None) -> None:
        """target_size: bytes of the whole file, or None with constant quality."""
        self._context = context
        self._about = context.source.description
        self._settings = context.settings
        self._counts = context.survey.segment_pictures
        self._stores: dict[Fraction, PictureStore] = {}
        self._guess = CrfGuess()
        self._prompt_sizes: tuple[CodedSize, keyframe_choice.PromptSizes] | None = None
        self.rungs = rung_choice.candidates(self._about, context.settings)
        self._share = context.settings.prompt_share or DEFAULT_PROMPT_SHARE
        self._video_bits = (
            None if target_size is None else 8 * max(1.0, target_size - context.survey.side_size)
        )

    def size(self, rung: Fraction) -> CodedSize:
        """Return the coded size of a rung."""
        return coded_size(self._about.width, self._about.height, rung)

    def store(self, rung: Fraction) -> PictureStore:
        """Return the store of the pictures at a rung."""
        if rung not in self._stores:
            context = self._context
            self._stores[rung] = PictureStore(
                context.source, context.survey.starts, self.size(rung), context.folder
            )
        return self._stores[rung]

    def clear(self) -> None:
        """Remove all pictures that are kept on disk."""
        for store in self._stores.values():
            store.clear()

    def avc(
        self, size: CodedSize, preset: str, overrides: tuple[tuple[str, str], ...]
    ) -> AvcSettings:
        """Return the settings of x264 that all segments share."""
        return AvcSettings(
            size, self._context.survey.timing.rate, self._about.colour, preset, overrides
        )

    def first_crf(self, choice: RungChoice) -> float:
        """Return where the search for the rate begins, or the rate factor of constant quality. The choice has that of
        trials."""
        if self._video_bits is None:
            assert self._settings.quality is not None
            if choice.crf is None:
                return quality_to_crf(self._settings.quality)
        if choice.crf is not None:
            return clamped(choice.crf + self._settings.effort.crf_offset)
        return initial_crf(self._bits_per_picture() / self.size(choice.rung).samples)

    def choose_rung(self) -> tuple[RungChoice, ...]:
        """Return the rung: the only one, the one that the bits allow, or the best by trial encodes; behind it, where
        the other kind of keyframes is nearly as good, the best one with those.

        Constant quality fixes the bits too: those that the full size takes at the quality's rate factor. They
        go to the rung where they look best, at the rate factor that spends them there. Without trials constant
        quality keeps the full size.
        """
        effort, pictures = self._settings.effort, sum(self._counts)
        trying = effort.rung_segments > 0
        if not trying and (len(self.rungs) == 1 or self._video_bits is None):
            return (self._untried(self.rungs[0]),)
        if len(self.rungs) == 1 and (self._video_bits is None or not self._context.use_generator):
            return (self._untried(self.rungs[0]),)
        if trying:
            self._context.meter.stage("choosing the coded size", 0.3)
        numbers = self._tried_segments()
        if self._video_bits is None:
            bits_per_picture = self._bits_of_quality(numbers)
        else:
            bits_per_picture = self._bits_per_picture()
        start = rung_choice.by_bits_per_sample(
            self._about, pictures, self.rungs, bits_per_picture * pictures / 8
        )
        if not trying:
            return (self._untried(start),)
        choices = contenders(self._climbed(start, numbers, bits_per_picture))
        # Settling tries them again, from pictures of full size.
        self.keep({_FULL_SIZE, *(choice.rung for choice in choices)})
        return choices

    def _untried(self, rung: Fraction) -> RungChoice:
        return RungChoice(rung, None, share=self._share)

    def keep(self, rungs: set[Fraction]) -> None:
        """Remove the kept pictures of all other rungs."""
        for rung, store in self._stores.items():
            if rung not in rungs:
                store.clear()

    def _climbed(
        self, start: Fraction, numbers: tuple[int, ...], bits_per_picture: float
    ) -> list[RungChoice]:
        """Return the best rung with each kind of keyframes: generated ones like larger rungs."""
        choices, share = [], self._share
        if self._context.use_generator:
            choices.append(self._climbed_generated(start, numbers, bits_per_picture))
            share = choices[0].share
        if self._settings.keyframes != "generated":
            trials = self._trials(False, share, start, numbers, bits_per_picture)
            found = rung_choice.climb(self.rungs, start, trials)
            choices.append(replace(found, generated=False, share=share))
        return choices

    def _climbed_generated(
        self, start: Fraction, numbers: tuple[int, ...], bits_per_picture: float
    ) -> RungChoice:
        """Return the best rung with generated keyframes, and the part of the rate for prompts that suits it."""
        shared = self._shared(start, numbers, bits_per_picture)
        trials = shared.at(self._share) if self._fixed_share else shared
        return self._with_best_share(shared, rung_choice.climb(self.rungs, start, trials).rung)

    @property
    def _fixed_share(self) -> bool:
        """Whether the part of the rate for prompts is not to be chosen."""
        return self._settings.prompt_share is not None or not self._prompts_have_share

    @property
    def _prompts_have_share(self) -> bool:
        """Whether prompts have a part of the rate; with constant quality, or where nothing but their
        prompt_scale_index is asked for, they take what they take."""
        settings = self._settings
        asked_for = settings.prompt_scale_index is not None and settings.prompt_share is None
        return self._video_bits is not None and not asked_for

    def _shared(
        self, start: Fraction, numbers: tuple[int, ...], bits_per_picture: float
    ) -> SharedRate:
        """Return trials with generated keyframes for each part of the rate that prompts may have."""
        return SharedRate(lambda share: self._trials(True, share, start, numbers, bits_per_picture))

    def _with_best_share(self, shared: SharedRate, rung: Fraction) -> RungChoice:
        """Return what the trials say about a rung with the part of the rate for prompts that suits it."""
        share = self._share if self._fixed_share else shared.best_share(rung)
        return replace(measured(shared.at(share), rung), generated=True, share=share)

    def at(self, choice: RungChoice) -> RungChoice:
        """Return what trial encodes with generated keyframes say about the rung of a choice, which was made with
        other segments, and the part of the rate for prompts that suits these: more of them take more of it."""
        shared = self._shared(choice.rung, self._tried_segments(), self._bits_per_picture())
        return self._with_best_share(shared, choice.rung)

    def settle(self, choices: Sequence[RungChoice]) -> Settled:
        """Return what trials with the settings of the encode itself like best.

        The next larger rung with generated keyframes is one of the choices: quick trials, whose pictures cost more
        bits, choose too small ones. Without trials that is the first choice, in the manner of the preset.
        """
        effort, best = self._settings.effort, choices[0]
        if self._video_bits is None or best.distance is None or not effort.restless:
            found = Settled(best, self._manner(best.rung, False), self.first_crf(best))
        else:
            self._context.meter.stage("choosing how pictures are coded", 0.1)
            found = self.weigh((*choices, *self._larger(choices)))
            if found.restless and found.choice.generated and not self._fixed_share:
                found = self._or_spared(found)
        self.keep({found.choice.rung})
        return found

    def _or_spared(self, found: Settled) -> Settled:
        """Return what was found in the manner for content that moves, or that of the preset with less of the rate for
        prompts: with the part that quick trials like, it may lack bits for the pictures."""
        less = replace(found.choice, share=_SPARED * found.choice.share)
        spared = self.weigh((less,), (False,))
        return spared if spared.distance < _WORTH_SPARING * found.distance else found

    def weigh(
        self, choices: Sequence[RungChoice], manners: Sequence[bool] = (False, True)
    ) -> Settled:
        """Return the best of some choices, which trials made, by trials with the settings of the encode itself, in
        the manner of the preset (False) or in that for content that moves (True)."""
        numbers, bits_per_picture = self._tried_segments(), self._bits_per_picture()
        found: list[Settled] = []
        # What one choice needs says little about another one with other keyframes and another size.
        guesses = [CrfGuess() for _ in choices]
        for restless in manners:
            asked = []
            for choice, guess in zip(choices, guesses, strict=True):
                trials = self._trials(
                    bool(choice.generated), choice.share, choice.rung, numbers, bits_per_picture
                )
                trials = replace(
                    trials,
                    prompt=partial(self._carried, trials.prompt),
                    avc=self._manner(choice.rung, restless),
                    thrift=1.0,
                    guess=guess,
                )
                if guess.offset is None:
                    first = self.first_crf(choice)
                    guess.learn(trials.bits_per_picture / self.size(choice.rung).samples, first)
                asked.append((trials, choice.rung))
            results = measure_together(asked)
            for choice, (trials, _), (distance, crf) in zip(choices, asked, results, strict=True):
                first = clamped(crf) if isfinite(distance) else self.first_crf(choice)
                distance *= self._counted(choice, restless)
                found.append(Settled(choice, trials.avc, first, distance, restless))
        return min(found, key=lambda each: each.distance)

    def _larger(self, choices: Sequence[RungChoice]) -> list[RungChoice]:
        """Return the choices with generated keyframes at the next larger rung, where there is one."""
        found = []
        for choice in choices:
            place = self.rungs.index(choice.rung)
            if choice.generated and place > 0 and choice.crf is not None:
                rung = self.rungs[place - 1]
                part = self.size(choice.rung).samples / self.size(rung).samples
                crf = clamped(choice.crf + crf_for_rate(part))
                found.append(replace(choice, rung=rung, crf=crf))
        return found

    def _counted(self, choice: RungChoice, restless: bool) -> float:
        """Return what part of the measured distance of a choice counts."""
        fitted = choice.generated and self._context.fit is not None
        return (1.0 if restless else _PLAIN_COUNTS) * (_FITTED_COUNTS if fitted else 1.0)

    def _carried(
        self, prompt: Callable[[CodedSize], PromptChoice | None], size: CodedSize
    ) -> PromptChoice | None:
        """Return the prompt choice for a coded size, with pictures behind it as the preset wants them."""
        choice = prompt(size)
        return None if choice is None else replace(choice, carried=self._settings.effort.carry)

    def _manner(self, rung: Fraction, restless: bool) -> AvcSettings:
        """Return how the pictures are coded: in the manner of the preset, or in that for content that moves."""
        effort, options = self._settings.effort, self._settings.inter_options
        manner = effort.restless if restless else ()
        avc = self.avc(self.size(rung), effort.x264_preset, (*effort.overrides, *manner, *options))
        return replace(
            avc,
            behind_coded=(*effort.behind_coded, *manner, *options),
            sharpening=effort.sharpening if restless else 0,
        )

    def sampled(self) -> list[tuple[int, StoredPictures]]:
        """Return the numbers of some segments and their pictures of full size."""
        numbers = self._tried_segments() or tuple(
            keyframe_choice.sampled_segments(len(self._counts), 1)
        )
        store = self.store(_FULL_SIZE)
        return [(number, store.segment(number)) for number in numbers]

    def _tried_segments(self) -> tuple[int, ...]:
        """Return which segments are tried: short ones in larger numbers, until they are as long as those at the
        longest interval."""
        longest = self._settings.keyframe_interval * len(self._counts)
        shortened = max(1.0, longest / self._context.survey.timing.seconds)
        most = min(_MOST_TRIED, round(self._settings.effort.rung_segments * shortened))
        return tuple(keyframe_choice.sampled_segments(len(self._counts), most))

    def _trials(
        self,
        generated: bool,
        share: float,
        start: Fraction,
        numbers: tuple[int, ...],
        bits_per_picture: float,
    ) -> RungTrials:
        effort = self._settings.effort
        # Prompts have their share of a given rate, whatever each of them takes: the rest is for the pictures.
        shared = generated and self._prompts_have_share
        return RungTrials(
            about=self._about,
            pictures=lambda number: self._part(
                self.store(_FULL_SIZE), number, effort.rung_pictures
            ),
            numbers=numbers,
            avc=self.avc(self.size(start), effort.trial_preset, effort.trial_overrides),
            bits_per_picture=bits_per_picture * (1 - share if shared else 1),
            keyframe_charge=lambda number: (
                0.0 if shared else self._tried(number, effort.rung_pictures)
            ),
            prompt=lambda size: self._prompt(size, start, share) if generated else None,
            thrift=effort.thrift,
            guess=self._guess,
            pool=self._context.pool,
        )

    def keyframes(self, choice: RungChoice) -> list[PromptChoice | None]:
        """Return for each segment how its keyframe is made: a prompt choice, or None for an ordinary IDR."""
        count = len(self._counts)
        if not self._context.use_generator:
            return [None] * count
        size = self.size(choice.rung)
        prompt = self._prompt(size, choice.rung, choice.share)
        # Trials go without refinement: it costs more than they do.
        refinable = size.grid_width * size.grid_height <= LARGEST_REFINED
        final = replace(
            prompt,
            refinement=self._context.refinement if refinable else None,
            carried=self._settings.effort.carry,
        )
        if self._settings.keyframes == "generated":
            return [final] * count
        # What is tried is decided already, with the settings that it is coded with.
        tried = () if choice.generated is None else self._tried_segments()
        open_ones = [number for number in range(count) if number not in tried]
        self._context.meter.stage("choosing keyframes", 0.25)
        effort = self._settings.effort
        avc = self.avc(size, effort.trial_preset, effort.trial_overrides)
        store = self.store(choice.rung)
        crf = choice.crf
        if crf is None:
            crf = self.first_crf(choice) - effort.crf_offset

        def job(number: int, generated: bool) -> TrialJob:
            # Measured at the coded size: the upscaler is the same for both kinds.
            return TrialJob(
                self._part(store, number, effort.keyframe_pictures),
                size.width,
                size.height,
                _FULL_SIZE,
                avc,
                prompt if generated else None,
                tuple(clamped(crf + d) for d in (-2.0, 2.0)),
                self._tried(number, effort.keyframe_pictures),
                effort.thrift,
            )

        def done(number: int) -> None:
            store.release(number)
            self._context.meter.at((number + 1) / count)

        generated = dict.fromkeys(tried, bool(choice.generated))
        chosen = keyframe_choice.choose_keyframes(open_ones, job, self._context.pool, done)
        generated.update(zip(open_ones, chosen, strict=True))
        return [final if generated[number] else None for number in range(count)]

    def _prompt(self, size: CodedSize, rung: Fraction, share: float) -> PromptChoice:
        """Return the prompt choice for a coded size where prompts have `share` of the bits; prompts are measured
        once, at the size of `rung`."""
        settings = self._settings
        if settings.prompt_scale_index is not None:
            return PromptChoice(settings.prompt_scale_index, settings.model)
        if self._video_bits is None:
            assert settings.quality is not None
            return PromptChoice(quality_to_prompt_scale_index(settings.quality), settings.model)
        bits = share * self._video_bits / len(self._counts)
        if self._prompt_sizes is None:
            sizes = keyframe_choice.measure_prompt_sizes(
                self.store(rung),
                keyframe_choice.sampled_segments(len(self._counts)),
                settings.model,
                self._context.pool,
            )
            self._prompt_sizes = self.size(rung), sizes
        measured, sizes = self._prompt_sizes
        # At one index the bits are in proportion to the samples.
        index = sizes.index(bits * measured.samples / size.samples)
        return PromptChoice(index, settings.model)

    def _bits_of_quality(self, numbers: tuple[int, ...]) -> float:
        """Return bits per picture at full size with coded keyframes, at the quality's rate factor (trials)."""
        assert self._settings.quality is not None
        effort, size = self._settings.effort, self.size(_FULL_SIZE)
        crf = quality_to_crf(self._settings.quality)
        parts = [self._part(self.store(_FULL_SIZE), n, effort.rung_pictures) for n in numbers]
        avc = self.avc(size, effort.trial_preset, effort.trial_overrides)
        about = self._about
        jobs = [
            TrialJob(
                part, about.width, about.height, _FULL_SIZE, avc, None,
                (clamped(crf - effort.crf_offset),),
                self._tried(number, effort.rung_pictures), effort.thrift,
            )
            for number, part in zip(numbers, parts, strict=True)
        ]  # fmt: skip
        found = self._context.pool.run(run_trial_job, jobs)
        return sum(points[0].bits for points in found) / sum(part.count for part in parts)

    def _tried(self, number: int, most: int) -> float:
        """Return the part of a segment's pictures that a trial of at most `most` pictures has."""
        return min(1.0, most / self._counts[number])

    def _bits_per_picture(self) -> float:
        assert self._video_bits is not None
        return self._video_bits / sum(self._counts)

    @staticmethod
    def _part(store: PictureStore, number: int, most: int) -> StoredPictures:
        pictures = store.segment(number)
        return replace(pictures, count=min(pictures.count, most))
