"""The pictures that follow a keyframe as differentiable functions of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property

import torch
from torch import Tensor

from refcodec.picture import Picture
from refcodec.twin.deblocking import Decisions, deblock, decide
from refcodec.twin.host_planes import HostPlanes, host_planes
from refcodec.twin.host_sequence import HostSequence
from refcodec.twin.inter_prediction import InterPlan, plan_inter, predict_planned
from refcodec.twin.interpolation import Grids, interpolation_grids
from refcodec.twin.intra_prediction import predict_intra
from refcodec.twin.planes import Mode, Planes, planes_of
from refcodec.twin.recording import RecordedPicture, Recording, decode_again, last_uses
from refcodec.twin.residual import Residual, add_residual, plan_residual

FilterCases = Mapping[int, Decisions]
"""Decisions of the deblocking filter by picture id."""


class _Coded:
    """What of a picture does not change, ready for tensors."""

    def __init__(self, picture: RecordedPicture, width_mbs: int) -> None:
        self.identity = picture.identity
        self.details = picture.details
        self.inter: InterPlan = plan_inter(picture.details, width_mbs)
        self.residual: Residual = plan_residual(picture.details, width_mbs)

    def move(self, device: torch.device) -> None:
        self.inter, self.residual = self.inter.to(device), self.residual.to(device)


class SequenceTwin:
    """(#avc.8) Decodes the pictures of a recording, its syntax held constant, on any keyframe.

    `targets` are the picture ids that are wanted; only those and what they are predicted from are
    decoded. Pictures that do not depend on the keyframe are constants. `targets` is in output order,
    `live` in decoding order: the pictures that are computed; `needed` are those and the constants.

    Everything is linear in the keyframe but for rounding, clipping and the limits of the deblocking
    filter, so the backward pass needs no sample values, and no picture is kept for it: the memory is
    that of the plans, some bytes a sample of each live picture.
    """

    def __init__(self, recording: Recording, targets: Collection[int] | None = None) -> None:
        """Make the plans. Raises KeyError for a target that is not in the recording."""
        self.recording = recording
        known = {each.identity: each for each in recording.pictures}
        wanted = set(recording.output if targets is None else targets)
        if unknown := wanted - {*known, recording.identity}:
            raise KeyError(f"no pictures {sorted(unknown)}")
        shown = [each for each in recording.output if each in wanted]
        if recording.identity in wanted and recording.identity not in shown:
            shown.insert(0, recording.identity)  # a generated keyframe, which is not output
        self.targets: tuple[int, ...] = tuple(shown)
        self._known = known
        needed = self.needed = self._closure(known, wanted)
        depends = {recording.identity}
        for picture in recording.pictures:
            if picture.references & depends:
                depends.add(picture.identity)
        chosen = [known[each] for each in sorted(needed) if each in depends]
        used = set(last_uses(chosen)) | wanted
        self._chosen, self._constant, self._used = chosen, needed - depends, used
        self.live: tuple[int, ...] = tuple(each.identity for each in chosen)
        self._host = HostSequence(recording, depends)

    @cached_property
    def _coded(self) -> list[_Coded]:
        return [_Coded(each, self.recording.geometry.width_mbs) for each in self._chosen]

    @cached_property
    def _fractional(self) -> set[int]:
        """Ids of the pictures that samples between full ones are taken from."""
        return {
            reference
            for each in self._coded
            for reference, blocks in each.inter.references
            if not blocks.full_samples_only
        }

    @cached_property
    def _constants(self) -> dict[int, Planes]:
        """The pictures that do not depend on the keyframe, those that are used."""
        wanted = self._closure(self._known, self._constant)
        again = decode_again(self.recording, self.recording.keyframe, wanted)
        return {
            identity: planes_of(picture.planes, dtype=torch.uint8)
            for identity, picture in again
            if identity in self._used
        }

    @staticmethod
    def _closure(known: Mapping[int, RecordedPicture], wanted: Collection[int]) -> set[int]:
        """Return the ids of the coded pictures that the wanted ones need, themselves too."""
        found: set[int] = set()
        waiting = list(wanted)
        while waiting:
            identity = waiting.pop()
            if identity in known and identity not in found:
                found.add(identity)
                waiting += known[identity].references
        return found

    def pictures(
        self,
        keyframe: Planes,
        mode: Mode = Mode.EXACT,
        decisions: FilterCases | None = None,
        targets: Collection[int] | None = None,
    ) -> Iterator[tuple[int, Planes]]:
        """Yield picture ids and pictures of the targets in decoding order, as they are decoded.

        keyframe: (..., H, W), (..., H/2, W/2) over the macroblock grid, 0..255, any device; in exact
            mode whole numbers (round_half_up makes them)
        decisions: of the deblocking filter, by picture id, as `decide` returns them; None: in exact
            mode they are made of the samples as they are, in smooth mode of the integer decode of
            the keyframe, rounded
        targets: some of `self.targets`, which alone are decoded with what they need; None: all
        """
        if mode is Mode.SMOOTH and decisions is None:
            decisions = self.decide(keyframe)
        decisions = decisions or {}
        targets = set(self.targets if targets is None else targets)
        needed = self._closure(self._known, targets)
        chosen = [each for each in self._coded if each.identity in needed]
        last = last_uses(self._known[each.identity] for each in chosen)
        decoded: dict[int, Planes] = {
            identity: planes.map(lambda plane: _alike(plane, keyframe.y))
            for identity, planes in self._constants.items()
        }
        decoded[self.recording.identity] = keyframe
        grids: dict[int, Grids] = {}
        for identity in list(decoded):
            if identity in targets:
                yield identity, decoded[identity]
        for coded in chosen:
            planes = self._before_filter(coded, decoded, grids, mode)
            planes = deblock(planes, coded.details, decisions.get(coded.identity), mode)
            decoded[coded.identity] = planes
            if coded.identity in targets:
                yield coded.identity, planes
            for identity in list(decoded):
                if last.get(identity, -1) <= coded.identity:
                    del decoded[identity]
                    grids.pop(identity, None)

    def _before_filter(
        self, coded: _Coded, decoded: Mapping[int, Planes], grids: dict[int, Grids], mode: Mode
    ) -> Planes:
        """Return a picture before deblocking; make the grids of its references that are not there."""
        coded.move(next(iter(decoded.values())).y.device)
        for reference, _ in coded.inter.references:
            if reference not in grids:
                grids[reference] = interpolation_grids(
                    decoded[reference], mode, reference not in self._fractional
                )
        planes = predict_planned(grids, coded.inter, mode)
        lead = decoded[coded.inter.references[0][0]].y.shape[:-2]
        planes = planes.map(lambda plane: plane.reshape(*lead, *plane.shape[-2:]))
        planes = add_residual(planes, coded.residual, mode)
        return predict_intra(planes, coded.details, mode)

    def forward(
        self,
        keyframe: Planes,
        mode: Mode = Mode.EXACT,
        decisions: FilterCases | None = None,
    ) -> dict[int, Planes]:
        """Return the targets by picture id, in output order; arguments as of `pictures`."""
        found = dict(self.pictures(keyframe, mode, decisions))
        return {identity: found[identity] for identity in self.targets}

    __call__ = forward

    def decide(self, keyframe: Planes) -> dict[int, Decisions]:
        """Return what the deblocking filter of the integer decoder decides in every live picture,
        decoded on `keyframe`, rounded and clipped."""
        found: dict[int, Decisions] = {}
        with torch.no_grad():
            whole = keyframe.map(lambda plane: torch.floor(plane + 0.5).clamp(0, 255))
            decoded = {
                identity: planes.map(lambda plane: _alike(plane, whole.y))
                for identity, planes in self._constants.items()
            }
            decoded[self.recording.identity] = whole
            for coded in self._coded:
                planes = self._before_filter(coded, decoded, {}, Mode.EXACT)
                found[coded.identity] = decide(planes, coded.details)
                decoded[coded.identity] = deblock(
                    planes, coded.details, found[coded.identity], Mode.EXACT
                )
        return found

    def gradient(
        self,
        keyframe: Planes,
        loss: Callable[[int, Planes], Tensor],
        mode: Mode = Mode.EXACT,
        decisions: FilterCases | None = None,
        targets: Collection[int] | None = None,
    ) -> tuple[Tensor, Planes]:
        """Return the sum of loss(picture id, picture) over the targets, and its gradient with respect
        to the keyframe; arguments as of `pictures`.

        The graph of only one picture's loss exists at a time, so that losses that keep much, such as
        those of networks, fit into memory over long groups of pictures. A single picture in exact mode,
        binary32, without `decisions`, is decoded by the integer decoder, and kernels on the host go back.
        """
        wanted = set(self.targets if targets is None else targets)
        if mode is Mode.EXACT and decisions is None and _is_single(keyframe):
            return self._gradient_on_host(keyframe, loss, wanted)
        leaf = keyframe.map(lambda plane: plane.detach().requires_grad_())
        total = leaf.y.new_zeros(())
        made: list[Tensor] = []
        gradients: list[Tensor] = []
        with torch.enable_grad():
            for identity, planes in self.pictures(leaf, mode, decisions, wanted):
                value, found = _loss_of(loss, identity, planes)
                total = total + value
                for plane, each in zip(planes, found, strict=True):
                    if plane.requires_grad:
                        made.append(plane)
                        gradients.append(each)
        back = torch.autograd.grad(made, list(leaf), gradients, allow_unused=True)
        return total, Planes(*map(_or_zero, back, leaf))

    def _gradient_on_host(
        self, keyframe: Planes, loss: Callable[[int, Planes], Tensor], targets: Collection[int]
    ) -> tuple[Tensor, Planes]:
        device = keyframe.y.device
        whole = host_planes(keyframe.map(lambda plane: plane.to(torch.uint8)))
        gradients: dict[int, HostPlanes] = {}
        total = keyframe.y.new_zeros(())

        def judge(identity: int, planes: Planes) -> None:
            nonlocal total
            value, found = _loss_of(loss, identity, planes)
            total = total + value
            gradients[identity] = host_planes(Planes(*found))

        if self.recording.identity in targets:
            judge(self.recording.identity, keyframe)
        needed = self._closure(self._known, targets)
        for identity, picture in self._host.decode(Picture(*whole), needed):
            if identity in targets:
                judge(identity, planes_of(picture.planes, device))
        back = self._host.transpose(gradients)
        return total, Planes(*(torch.from_numpy(plane).to(device) for plane in back))


def _is_single(keyframe: Planes) -> bool:
    return keyframe.y.dim() == 2 and keyframe.y.dtype == torch.float32


def _loss_of(
    loss: Callable[[int, Planes], Tensor], identity: int, planes: Planes
) -> tuple[Tensor, list[Tensor]]:
    """Return the loss of a picture and its gradient with respect to the planes."""
    cut = planes.map(lambda plane: plane.detach().requires_grad_())
    with torch.enable_grad():
        value = loss(identity, cut)
        found = torch.autograd.grad(value, list(cut), allow_unused=True)
    return value.detach(), list(map(_or_zero, found, cut))


def _or_zero(gradient: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient


def _alike(plane: Tensor, like: Tensor) -> Tensor:
    """Return a plane (H, W) as one of the device, type and batch of `like`."""
    moved = plane.to(device=like.device, dtype=like.dtype)
    return moved.expand(*like.shape[:-2], *plane.shape)
