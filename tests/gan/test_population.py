"""Members side by side: each as if alone, broken alone, replaced alone; and never waited for within an update."""

from collections.abc import Callable

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.gan.crowd import (
    CPU,
    ORIGINAL,
    REPAIRED,
    crowd,
    different,
    heard_batches,
    play,
    rows,
    same,
    sentences,
    state,
)
from tests.gan.toy import toy_text
from wavu.gan.batches import Batches
from wavu.gan.members import Member, mutated
from wavu.gan.noise import Noise
from wavu.gan.population import Population

HEARS = pytest.mark.parametrize("hears", ["segments", "frames"])
RULES = pytest.mark.parametrize("rules", [REPAIRED, ORIGINAL], ids=["repaired", "original"])


def networks(population: Population) -> dict[str, torch.Tensor]:
    return {name: value for name, value in state(population).items() if ".network." in name}


def near(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], tolerance: float) -> bool:
    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], atol=tolerance) for name in one)


@HEARS
@RULES
def test_a_member_among_eight_is_the_member_alone(hears: str, rules) -> None:
    drawn, members = heard_batches(hears), different(8)
    together = crowd(members, hears, rules=rules)
    losses = play(together, drawn, 20)
    for place in (0, 3, 7):
        alone = crowd([members[place]], hears, rules=rules)
        for update in range(1, 21):
            one, every = (vars(drawn.draw(each.seeds, update)) for each in (alone, together))
            assert all(own is None or torch.equal(own[0], every[name][place]) for name, own in one.items())
        own_losses = play(alone, drawn, 20)
        for every, own in zip(losses, own_losses, strict=True):
            assert near(rows(every, [place]), own, 1e-3)
        assert near(rows(networks(together), [place]), networks(alone), 2e-5)
    moved = (networks(together)["generator.network.kernel"] - networks(crowd(members, hears))["generator.network.kernel"]).abs()
    assert moved.flatten(1).amax(1).gt(1e-3).all()  # far more than the tolerance


def test_players_take_turns_after_the_head_start() -> None:
    population = crowd(different(2), head_start=5)
    steps = [next(iter(terms)).split("/")[0] for terms in play(population, heard_batches("segments"), 9)]
    assert steps == ["discriminator"] * 6 + ["generator", "discriminator", "generator"]


def test_losses_are_smoothed_over_the_steps_of_their_player() -> None:
    population = crowd(different(2))
    terms = play(population, heard_batches("segments"), 6)
    value = terms[0]["generator/passes"]
    for later in terms[2::2]:
        value = 0.95 * value + 0.05 * later["generator/passes"]
    assert torch.allclose(population.losses["generator/passes"], value)


# Broken ones


@HEARS
def test_poison_stays_in_its_member(hears: str) -> None:
    drawn, sound, sick = heard_batches(hears), crowd(different(3), hears), crowd(different(3), hears)
    for population in (sound, sick):
        play(population, drawn, 2)
    sick.generator.network.kernel.data[1] = torch.nan
    for population in (sound, sick):
        play(population, drawn, 4)
    assert sick.finite().tolist() == [True, False, True] and sound.finite().all()
    assert same(rows(state(sick), [0, 2]), rows(state(sound), [0, 2]))


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_a_learning_rate_out_of_bounds_breaks_its_member_only(player: str) -> None:
    drawn, members = heard_batches("segments"), different(3)
    wild = Member(1, members[1].seed, members[1].settings | {f"{player}.learning_rate": 1e30})
    sound, sick = crowd(members), crowd([members[0], wild, members[2]])
    for population in (sound, sick):
        play(population, drawn, 8)
    assert sick.finite().tolist() == [True, False, True]
    assert same(rows(state(sick), [0, 2]), rows(state(sound), [0, 2]))


def test_a_loss_that_was_not_finite_once_is_not_forgotten() -> None:
    population = crowd(different(2))
    play(population, heard_batches("segments"), 2)
    population.losses["generator/passes"][1] = torch.inf
    play(population, heard_batches("segments"), 4)
    assert population.finite().tolist() == [True, False]


@HEARS
def test_those_who_are_kept_go_on_as_if_nothing_happened(hears: str) -> None:
    drawn, members = heard_batches(hears), different(4)
    whole, part = crowd(members, hears), crowd(members, hears)
    play(whole, drawn, 3), play(part, drawn, 3)
    part.keep([3, 1])
    assert part.members == [members[3], members[1]] and same(state(part), rows(state(whole), [3, 1]))
    play(whole, drawn, 6), play(part, drawn, 6)
    assert near(state(part), rows(state(whole), [3, 1]), 1e-4)
    assert near(networks(part), rows(networks(whole), [3, 1]), 2e-6)


# Copies


@HEARS
def test_a_copy_has_its_parents_weights_and_memory_and_its_own_settings(hears: str) -> None:
    drawn, members = heard_batches(hears), different(3)
    population, others = crowd(members, hears), crowd(members, hears)
    play(population, drawn, 5), play(others, drawn, 5)
    before = state(population)
    child = mutated(members[2], number=7, born=5, factors=[0.8, 1.25])
    population.give_place(0, 2, child)
    after = state(population)
    assert population.members == [child, members[1], members[2]]
    assert same(rows(after, [0]), rows(before, [2])) and same(rows(after, [1, 2]), rows(before, [1, 2]))
    assert any(name.endswith("exp_avg") and value[0].any() for name, value in after.items())
    assert torch.allclose(population.generator.learning_rates[0], torch.tensor(child.settings["generator.learning_rate"]))
    play(population, drawn, 6), play(others, drawn, 6)
    assert same(rows(state(population), [1, 2]), rows(state(others), [1, 2]))
    assert not torch.equal(population.generator.network.kernel[0], population.generator.network.kernel[2])
    alone = crowd([members[2]], hears)
    play(alone, drawn, 5)
    alone.appoint([child])
    play(alone, drawn, 6)
    assert near(rows(networks(population), [0]), networks(alone), 2e-5)


# Numbers of fewer bits


@HEARS
@RULES
def test_half_the_bits_give_nearly_the_same_losses(hears: str, rules) -> None:
    drawn = heard_batches(hears)
    exact, rough = crowd(different(2), hears, rules=rules), crowd(different(2), hears, rules=rules)
    plain = play(exact, drawn, 2)
    with torch.autocast("cpu", torch.bfloat16):
        short = play(rough, drawn, 2)
    for one, other in zip(plain, short, strict=True):
        for name in one:
            assert other[name].dtype == torch.float32 and torch.allclose(one[name], other[name], rtol=0.1, atol=0.02), name
    assert rough.finite().all() and all(value.dtype == torch.float32 for value in networks(rough).values())


# Waiting


class NoWaiting(TorchDispatchMode):
    """Refuses what makes the host wait for a device: to read a number, to ask how many there are, to copy to or from the host."""

    names = ("_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal", "unique", "bincount", "lift_fresh")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        waits = any(part in name for part in self.names) or (name == "repeat_interleave" and kwargs.get("output_size") is None)
        if name in ("index", "index_put", "index_put_", "_index_put_impl_"):
            waits = any(each is not None and each.dtype in (torch.bool, torch.uint8) for each in args[1])
        if name == "_to_copy":
            waits = kwargs.get("device") not in (None, args[0].device)
        if name in ("copy_", "copy"):
            waits = args[0].device != args[1].device
        assert not waits, f"{func} makes the host wait"
        return func(*args, **kwargs)


@pytest.mark.parametrize(
    "waiting",
    [
        lambda x: x.sum().item(),
        lambda x: x[x > 0],
        lambda x: bool(x.any()),
        lambda x: x.nonzero(),
        lambda x: x.masked_select(x > 0),
        lambda x: torch.tensor([1.0]),
        lambda x: x.repeat_interleave(torch.ones(3).long()),
        lambda x: x.to("meta"),
        lambda x: x.unique(),
        lambda x: x.index_put_((x > 0,), torch.zeros(())),
    ],
)
def test_waiting_is_noticed(waiting: Callable) -> None:
    with pytest.raises(AssertionError, match="makes the host wait"), NoWaiting():
        waiting(torch.arange(3.0))


@HEARS
@RULES
def test_nothing_is_waited_for_within_an_update(hears: str, rules) -> None:
    drawn, population = heard_batches(hears), crowd(different(3), hears, rules=rules)
    with NoWaiting():
        terms = play(population, drawn, 4)  # the first of each player sets up its memory
    assert {name.split("/")[0] for each in terms for name in each} == {"generator", "discriminator"}


def on(device: torch.device, hears: str, rules) -> tuple[Population, Batches]:
    """The same data and weights anywhere, with chance that depends on the device switched off: no dropout."""
    members, drawn = different(3), heard_batches(hears)
    population = crowd(members, hears, rules=rules, device=device, dropout=0.0)
    weights = crowd(members, hears, dropout=0.0).tensors()
    population.restore({name: value.to(device) for name, value in weights.items()}, 0)
    return population, drawn


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@HEARS
@RULES
def test_a_gpu_is_never_waited_for(hears: str, rules) -> None:
    cuda = torch.device("cuda", torch.cuda.current_device())
    drawn = heard_batches(hears, home=cuda, device=cuda, lines=sentences(toy_text(50, 0), device=cuda))
    population = crowd(different(3), hears, rules=rules, device=cuda)
    play(population, drawn, 2)  # libraries are loaded
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        play(population, drawn, 4)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert population.finite().all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@HEARS
@RULES
def test_a_gpu_has_the_losses_of_a_cpu(hears: str, rules, monkeypatch: pytest.MonkeyPatch) -> None:
    class SameNoise(Noise):
        """Drawn on the host, whatever the device."""

        def uniform(self, *shape: int) -> torch.Tensor:
            return super().uniform(*shape).to(self.elsewhere)

        def kept(self, share: float, *shape: int) -> torch.Tensor:
            return super().kept(share, *shape).to(self.elsewhere)

        def __init__(self, seeds, update: int, device: torch.device) -> None:
            super().__init__(seeds, update, CPU)
            self.elsewhere = device

    monkeypatch.setattr("wavu.gan.population.Noise", SameNoise)
    cuda = torch.device("cuda", torch.cuda.current_device())
    (here, drawn), (there, _) = on(CPU, hears, rules), on(cuda, hears, rules)
    for update in range(1, 5):
        batch = drawn.draw(here.seeds, update)
        plain, fast = here.train(batch), there.train(batch.to(cuda))
        for name, value in plain.items():
            assert torch.allclose(value, fast[name].cpu(), rtol=1e-4, atol=1e-4), name
