"""What the trainers of the bundled model and of its adapter share: the pairs, the loss, the loop and its checkpoints.

Sampling does not start from pure noise but from the fill, noised to the level of the artist's denoise setting. A network
that has only ever seen noised truth takes that fill for the truth, or makes content of the noise. So the rows of a batch
are of two kinds (the idea of Erase Diffusion's chain, arXiv 2503.07026: show in training what the sampler will show):

    from truth   x_t = x_0 + σ_t·ε                              t uniform
    from fill    x_t = fill + u·(smooth − fill) + σ_t·ε         t and u uniform; t up to the usual denoise settings

Loss: the squared error of x̂_0 over the hole's pixels as a share of the smooth fill's (x_0 is the truth in the hole and the
fill elsewhere), so that a hole in a plain wall, where a small error is seen at once, counts as much as one in foliage, whose
error is a hundred times as large and mostly chance. Some rows get the role "none".
A checkpoint (what is trained, its running average, AdamW's moments) is safetensors; what a step draws depends on the seed and
the number of the step alone, so a run that was cut off goes on as if it had not been.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from ..data.pairs import ROLES, read_shards
from ..models.mini import PIXEL_CHANNELS, TOLD_CHANNELS, condition, patchify

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = [
    "LOG",
    "SETTINGS",
    "Batch",
    "Fitted",
    "Pairs",
    "Recipe",
    "denoising_loss",
    "fit",
    "load_average",
    "load_checkpoint",
    "make_optimizer",
    "own_rows",
    "precision_of",
    "random_of_step",
    "rate",
    "read_average",
    "read_log",
    "save_checkpoint",
    "settle",
]


LONGEST_GRADIENT = 1.0
SETTINGS = "settings.json"  # of a run, beside its checkpoint
AVERAGE = "average."  # begins the names of the running average in a checkpoint
LOG = "log.csv"  # of a run, beside its checkpoint: a line for every checkpoint
COLUMNS = ("step", "loss", "seconds", "steps_per_second", "seconds_left")


@dataclass(frozen=True)
class Recipe:
    steps: int = 5000
    batch: int = 8
    lr: float = 3e-4
    warmup: int = 100  # steps
    cooldown: float = 0.3  # share of the steps over which the rate falls to 0
    ema: float = 0.998
    drop_role: float = 0.05
    from_fill: float = 0.6  # share of the rows that start from the fill
    highest_start: float = 0.7  # the largest denoise setting these are drawn for
    outside: float = 0.02  # weight of the pixels outside the hole
    slack: float = 0.01  # added to the smooth fill's mean squared error (pixels in -1..1), so that no row counts without bound
    precision: str = "auto"  # of the forward pass: "bf16", "no" for float32, or "auto", bf16 where the hardware is fast at it
    seed: int = 0
    save_every: int = 100
    rescan_every: int = 200  # look for shards that were made meanwhile
    sheet_every: int = 500  # steps between two sheets of samples; 0 for none


class Batch(NamedTuple):
    """Rows of training pairs. Colours are in -1..1."""

    truth: Tensor  # [B, 3, S, S], in the hole; the fill elsewhere
    fill: Tensor  # [B, 3, S, S]
    hole: Tensor  # [B, 1, S, S]
    role: Tensor  # [B]
    rows: Tensor  # [B], which pairs


class Pairs:
    """All training pairs in memory, as bytes; new shards are picked up by `rescan`.

    Attributes:
        shards: the pairs' fields by name, each [N, ...].
        mirrored: the share of the rows that are seen in a mirror.
        role: whose pairs alone are drawn; "" for everybody's.

    Raises FileNotFoundError when the folder holds no pairs, ValueError when none of them is of the role.
    """

    def __init__(self, folder: Path, mirrored: float = 0.5, role: str = ""):
        if role and role not in ROLES:
            raise ValueError(f"role is {role!r}, but it must be one of {', '.join(ROLES)}")
        self.folder = folder
        self.mirrored = mirrored
        self.role = role
        self.shards: dict[str, Tensor] = {}
        self.rescan()

    def rescan(self) -> None:
        shards = list(read_shards(self.folder))
        if not shards:
            raise FileNotFoundError(f"{self.folder} holds no pairs-*.safetensors: run the prepare step first")
        self.shards = {name: torch.cat([s[name] for s in shards]) for name in shards[0]}
        if self.role:
            own = self.shards["role"] == ROLES.index(self.role)
            self.shards = {name: tensor[own] for name, tensor in self.shards.items()}
            if not own.any():
                raise ValueError(f"{self.folder} holds pairs, but none of the role {self.role}")

    def __len__(self) -> int:
        return len(self.shards["role"])

    def batch(self, count: int, generator: torch.Generator) -> Batch:
        """Random pairs, some of them mirrored, all of them a little brighter or duller than they are."""
        rows = torch.randint(len(self), (count,), generator=generator)
        truth, fill = (self.shards[n][rows].float().permute(0, 3, 1, 2) / 127.5 - 1 for n in ("truth", "fill"))
        hole = self.shards["hole"][rows][:, None].float()
        mirror = torch.rand(count, generator=generator) < self.mirrored
        # brightness and contrast vary a little more than the photographs do
        gain = 1 + 0.15 * torch.randn(count, 1, 1, 1, generator=generator)
        lift = 0.1 * torch.randn(count, 3, 1, 1, generator=generator)
        truth, fill = ((x * gain + lift).clamp(-1, 1) for x in (truth, fill))
        truth, fill, hole = (torch.where(mirror[:, None, None, None], x.flip(-1), x) for x in (truth, fill, hole))
        return Batch(torch.where(hole > 0.5, truth, fill), fill, hole, self.shards["role"][rows], rows)


def precision_of(asked: str) -> str:
    """What is asked for; for "auto" what is fast, "bf16" or "no".

    A CPU without AVX512 emulates bf16, at 18 times the time of float32; with AVX512-BF16 it takes 0.6 of it.
    """
    if asked != "auto":
        return asked
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "no"
    return "bf16" if "AVX512" in torch.backends.cpu.get_cpu_capability() else "no"


def make_optimizer(learner: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """Of the learner's parameters that are not frozen."""
    trained = [p for p in learner.parameters() if p.requires_grad]
    return torch.optim.AdamW(trained, lr=recipe.lr, betas=(0.9, 0.99), weight_decay=1e-4)


class Fitted(NamedTuple):
    steps: int
    average: dict[str, Tensor]  # the running average of what was learnt


def fit(
    learner: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[int], Tensor],
    out: Path,
    recipe: Recipe,
    accelerator: Accelerator,
    minutes: float = float("inf"),
    show: Callable[[int], None] | None = None,
    show_every: int = 0,
) -> Fitted:
    """Train up to `recipe.steps` steps, or for `minutes`; goes on from the last checkpoint under `out`.

    Args:
        learner: what is trained, averaged and saved.
        optimizer: of the learner's parameters, with Adam's moments.
        loss_of: the number of the step to this process's loss, which must depend on nothing else but the learner and what it draws from.
        show: called by the first process after every `show_every` steps and after the last.

    Every process runs it; the first one alone writes.
    """
    average = {n: t.detach().clone() for n, t in learner.state_dict().items()}
    out.mkdir(parents=True, exist_ok=True)
    done = load_checkpoint(out, learner, optimizer, average)
    started, before = time.time(), max((line["seconds"] for line in read_log(out)), default=0.0) if done else 0.0
    losses: list[float] = []
    for step in range(done, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * rate(step, recipe)
        loss = loss_of(step)
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(learner.parameters(), LONGEST_GRADIENT)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        _follow(average, learner, min(recipe.ema, (1 + step) / (10 + step)))
        seconds = time.time() - started
        mean, late = _agreed(accelerator, loss.detach(), seconds > minutes * 60)
        losses.append(mean)
        last = step + 1 == recipe.steps or late
        if (step + 1) % recipe.save_every == 0 or last:
            if accelerator.is_main_process:
                per_second = (step + 1 - done) / max(seconds, 1e-9)
                _log(out, step + 1, sum(losses) / len(losses), before + seconds, per_second, recipe.steps)
                save_checkpoint(out, learner, optimizer, average, step + 1)
            losses.clear()
        if show is not None and accelerator.is_main_process and (last or (show_every and (step + 1) % show_every == 0)):
            show(step + 1)
        if late:
            return Fitted(step + 1, average)
    return Fitted(max(done, recipe.steps), average)


@torch.no_grad()
def _follow(average: dict[str, Tensor], learner: nn.Module, decay: float) -> None:
    for name, tensor in learner.state_dict().items():
        average[name].lerp_(tensor, 1 - decay)


def _agreed(accelerator: Accelerator, loss: Tensor, late: bool) -> tuple[float, bool]:
    """The mean loss of all processes, and whether one of them finds it late: all must stop at the same step."""
    told = accelerator.gather(torch.stack([loss.float(), loss.new_tensor(late, dtype=torch.float32)])[None])
    return float(told[:, 0].mean()), bool(told[:, 1].any())


def _log(out: Path, step: int, loss: float, seconds: float, per_second: float, steps: int) -> None:
    left = (steps - step) / per_second
    print(f"step {step}/{steps}: loss {loss:.4g}, {per_second:.3g} steps a second, {left / 60:.0f} minutes left", flush=True)
    begins = not (out / LOG).exists()
    with (out / LOG).open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if begins:
            writer.writerow(COLUMNS)
        writer.writerow((step, f"{loss:.8g}", round(seconds), f"{per_second:.4g}", round(left)))


def read_log(run: Path) -> list[dict[str, float]]:
    """The lines of a run's log by their columns: step, loss (mean since the line before), seconds (of all sessions together), …"""
    if not (run / LOG).exists():
        return []
    with (run / LOG).open(encoding="utf-8", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def rate(step: int, recipe: Recipe) -> float:
    """The learning rate's share: up over the warm-up, then 1, then down to 0 over the cooldown."""
    left = (recipe.steps - step) / max(recipe.cooldown * recipe.steps, 1)
    return min(1.0, (step + 1) / recipe.warmup, left)


def random_of_step(recipe: Recipe, step: int) -> torch.Generator:
    """What the step draws from."""
    return torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)


def settle(out: Path, told: Mapping[str, Any], fixed: Sequence[str], accelerator: Accelerator) -> None:
    """Keep what a run was set to beside its checkpoints, as SETTINGS, for whoever finds them.

    Raises ValueError when one of the `fixed` is not what the run was begun with.
    """
    path = out / SETTINGS
    if path.exists():
        begun = json.loads(path.read_text(encoding="utf-8"))
        for name in fixed:
            if begun[name] != told[name]:
                raise ValueError(f"{name} is {told[name]}, but the run under {out} was begun with {begun[name]}: it must stay")
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(told, indent=1), encoding="utf-8")


def read_average(run: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The running average of a run by its names, and what the run was set to, with the `steps` done.

    Raises FileNotFoundError when the run has no checkpoint.
    """
    from safetensors import safe_open

    checkpoint = run / "checkpoint.safetensors"
    if not checkpoint.exists():
        raise FileNotFoundError(f"{checkpoint} is missing: train up to a checkpoint first")
    with safe_open(str(checkpoint), "pt") as file:
        names = [name for name in file.keys() if name.startswith(AVERAGE)]  # noqa: SIM118 (safe_open is no dict)
        average = {name.removeprefix(AVERAGE): file.get_tensor(name) for name in names}
        steps = int(file.metadata()["step"])
    return average, {**json.loads((run / SETTINGS).read_text(encoding="utf-8")), "steps": steps}


def own_rows(batch: int, accelerator: Accelerator) -> slice:
    """Which rows of every batch are this process's. All draw the whole batch, so that what is learnt does not depend on how many they are.

    Raises ValueError when the processes cannot share the batch alike.
    """
    if batch % accelerator.num_processes:
        raise ValueError(f"batch is {batch}, but it must be a multiple of the {accelerator.num_processes} processes")
    share = batch // accelerator.num_processes
    return slice(share * accelerator.process_index, share * (accelerator.process_index + 1))


def denoising_loss(
    model: Callable[..., Tensor],
    batch: Batch,
    noise_levels: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
    device: torch.device,
    own: slice = slice(None),
) -> Tensor:
    """The loss of a model that is called as `mini.MiniModel` is, on the rows `own` of a batch, by the start rule above."""
    truth, fill, hole, role, _ = batch
    role = torch.where(torch.rand(len(role), generator=generator) < recipe.drop_role, ROLES.index("none"), role)
    from_fill = torch.rand(len(role), generator=generator) < recipe.from_fill
    at = torch.rand(len(role), generator=generator) * torch.where(from_fill, recipe.highest_start, 1.0)
    at = (len(noise_levels) * at).long()
    toward_smooth = torch.rand(len(role), generator=generator)
    noise = torch.randn(truth.shape, generator=generator)
    moved = (x[own].to(device) for x in (truth, fill, hole, role, at, from_fill, toward_smooth, noise))
    truth, fill, hole, role, at, from_fill, toward_smooth, noise = moved
    conditioned = condition(patchify(fill), hole)
    x_0, tokens, smooth = patchify(truth), conditioned[:, :PIXEL_CHANNELS], conditioned[:, TOLD_CHANNELS:]
    started = tokens + toward_smooth[:, None, None, None] * (smooth - tokens)
    sigma = noise_levels[at]
    noisy = torch.where(from_fill[:, None, None, None], started, x_0) + patchify(noise) * sigma[:, None, None, None]
    predicted = model(noisy, sigma, at, conditioned, role)
    weight = patchify(hole.expand_as(fill)) + recipe.outside
    weight = weight / weight.sum((1, 2, 3), keepdim=True)
    error, smooth_error = (((x.float() - x_0) ** 2 * weight).sum((1, 2, 3)) for x in (predicted, smooth))
    return (error / (smooth_error + recipe.slack)).mean()


def save_checkpoint(out: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, Tensor], step: int) -> None:
    """Write everything the next step needs as one safetensors file, whole or not at all."""
    from safetensors.torch import save_file

    tensors = {f"model.{n}": t for n, t in model.state_dict().items()} | {f"average.{n}": t for n, t in average.items()}
    for index, parameter in enumerate(p for g in optimizer.param_groups for p in g["params"]):
        state = optimizer.state[parameter]
        tensors |= {f"{name}.{index}": state[name] for name in ("exp_avg", "exp_avg_sq")}
    unfinished = out / "checkpoint.part"
    save_file({n: t.detach().contiguous() for n, t in tensors.items()}, str(unfinished), {"step": str(step)})
    unfinished.rename(out / "checkpoint.safetensors")


def load_checkpoint(out: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: dict[str, Tensor]) -> int:
    """Read the checkpoint under `out`, if there is one; the number of steps done."""
    from safetensors import safe_open

    path = out / "checkpoint.safetensors"
    if not path.exists():
        return 0
    with safe_open(str(path), "pt") as file:
        step = int(file.metadata()["step"])
        model.load_state_dict({n: file.get_tensor(f"model.{n}") for n in model.state_dict()})
        for name in average:
            average[name].copy_(file.get_tensor(f"average.{name}"))
        for index, parameter in enumerate(p for g in optimizer.param_groups for p in g["params"]):
            moments = {name: file.get_tensor(f"{name}.{index}").to(parameter.device) for name in ("exp_avg", "exp_avg_sq")}
            optimizer.state[parameter] = {"step": torch.tensor(float(step)), **moments}
    return step


def load_average(run: Path, learner: nn.Module) -> int:
    """Read the running average of a run into the learner; the number of steps done.

    Raises FileNotFoundError when the run has no checkpoint.
    """
    average = {n: t.detach().clone() for n, t in learner.state_dict().items()}
    step = load_checkpoint(run, learner, make_optimizer(learner, Recipe()), average)
    if not step:
        raise FileNotFoundError(f"{run} holds no checkpoint.safetensors")
    learner.load_state_dict(average)
    return step
