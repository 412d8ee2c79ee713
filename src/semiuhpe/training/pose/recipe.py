"""What a training is made of. Every field is a key of the YAML recipe and a typed flag of `semiuhpe train`."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from semiuhpe.files.atomic import json_text, write_atomically
from semiuhpe.training.boards import BoardName
from semiuhpe.views.photometric import STRONG, Photometric
from semiuhpe.views.warp import ViewRange


@dataclass
class LabelledData:
    """One source of labelled heads. For labels with noise see `semiuhpe.training.pose.label_noise`.

    Attributes:
        store: folder of a head store; its "train" split is used.
        weight: its share of every batch, relative to the other sources'.
        validate: whether its "val" split counts in the choice of the best weights.
        limit: use only so many heads (0 = all), evenly spread.
        ss_ratio: share of its heads whose labels are used, split as published (see
            `semiuhpe.heads.splits.with_labels`); the others can be a pool, see `UnlabelledData.beyond_ss_ratio`.
        any_rotation: share of its views turned by any angle; none = that of the recipe's `view`.
        noise: take the noise that the store states of each label (extras `belief` or `label_sigma_deg`).
        sigma_deg: root mean square angle between label and truth of every label whose noise is not taken from the
            store, degrees (0 = exact).
        sigma_scale: factor on the stated noise, for a teacher that is too sure or too modest.
        max_sigma_deg: leave out labels whose stated noise is larger, degrees, whether `noise` is on or not (0 = none).
    """

    store: str = ""
    weight: float = 1.0
    validate: bool = True
    limit: int = 0
    ss_ratio: float = 1.0
    any_rotation: float | None = None
    noise: bool = False
    sigma_deg: float = 0.0
    sigma_scale: float = 1.0
    max_sigma_deg: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether every label is taken as the truth."""
        return not self.noise and self.sigma_deg == 0


@dataclass
class ValidationData:
    """A store whose heads help to choose the best weights, beside the "val" splits of the labelled stores.

    Attributes:
        store: folder of a head store; heads without a rotation count by their azimuth (extras `azimuth_deg`).
        split: which of its splits.
        weight: of its mean error in the weighted mean that chooses; the val split of a labelled store has 1, and what
            is listed here where the two are the same store.
    """

    store: str = ""
    split: str = "val"
    weight: float = 1.0


@dataclass
class ModelRecipe:
    """The network: see `semiuhpe.models.pose_net.PoseNet`.

    Attributes:
        backbone: a name that `semiuhpe.models.backbones.create_backbone` takes.
        head: "reference" is the paper's, "linear" one layer.
        dropout: probability, before the layers of the head.
        pretrained: begin with the backbone's ImageNet weights, fetched from a hub where they have to be; none = begin
            with them where they come with a package and no network is needed (efficientnet_lite0), and ask for a yes or
            no where not. They are not looked for where there are `initial_weights`.
        frozen_stages: the stem and this many stages keep their pretrained weights and statistics.
        frozen_norms: the backbone's batch norms keep their statistics, which makes a step a third faster on a CPU; for
            trainings that start from weights whose statistics suit heads already.
        channels_last: with `precision: bf16-mixed` two to three times as fast on a CPU that has bfloat16; not for
            networks with grouped convolutions.
        image_size: pixels a side of the crop it sees.
    """

    backbone: str = "efficientnet_lite0"
    head: Literal["reference", "linear"] = "reference"
    dropout: float = 0.2
    pretrained: bool | None = None
    frozen_stages: int = 0
    frozen_norms: bool = False
    channels_last: bool = False
    image_size: int = 112


@dataclass
class OptimizerRecipe:
    """AdamW with a linear warm-up and a cosine to `final_lr_ratio`·lr; `schedule: constant` keeps lr as the paper does.

    Attributes:
        lr: learning rate after the warm-up.
        weight_decay: of AdamW.
        warmup_steps: over which the learning rate grows.
        schedule: "cosine", or "constant" after the warm-up.
        final_lr_ratio: the cosine ends at this share of lr.
        clip: largest gradient norm (0 = no clipping).
        accumulate: parts that each process cuts its share of a batch into, one after the other, so that a batch that
            does not fit into memory is one step all the same; the step is that of the whole batch but for the
            statistics of batch norms and for dropout masks.
        layer_decay: factor on the learning rate from each stage of the backbone to the one before it, from the head,
            which has lr, down to the stem (1 = lr everywhere).
    """

    lr: float = 1e-3
    weight_decay: float = 0.02
    warmup_steps: int = 100
    schedule: Literal["cosine", "constant"] = "cosine"
    final_lr_ratio: float = 0.01
    clip: float = 5.0
    accumulate: int = 1
    layer_decay: float = 1.0


@dataclass
class LossRecipe:
    """What is minimized: the supervised loss, and in the second stage `ssl_lambda` times the unsupervised one.

    Attributes:
        distribution: whose negative log-likelihood is the supervised loss, and "nll" of the second stage; beliefs and
            the entropy filter stay those of the matrix Fisher.
        overreg: ω, the weight of log c; a target of resultant d is fitted best by a belief of resultant
            d/ω, so ω widens beliefs about noisy labels as it does those about exact ones (d = 1).
        unsupervised: "ce", cross-entropy with the teacher's belief, or "nll", its mode as a hard label.
        ssl_lambda: λ, the weight of the unsupervised loss.
        lambda_ramp_steps: steps of the second stage over which ssl_lambda grows from 0.
    """

    distribution: Literal["matrix_fisher", "rotation_laplace"] = "matrix_fisher"
    overreg: float = 1.025
    unsupervised: Literal["ce", "nll"] = "ce"
    ssl_lambda: float = 1.0
    lambda_ramp_steps: int = 0


@dataclass
class EmaRecipe:
    """The exponential moving average of the student's weights, parameters and buffers, that is validated and exported.

    Attributes:
        decay: in a supervised training and in stage 1.
        teacher_decay: in stage 2, where the average is the teacher.
    """

    decay: float = 0.998
    teacher_decay: float = 0.999


@dataclass
class UnlabelledData:
    """One source of unlabelled heads: every head of a store is used, whatever its split but val and test.

    Rotations that the store may have are not learnt from; they are compared with.

    Attributes:
        store: folder of a head store.
        weight: its share of every batch, relative to the other sources'.
        limit: use only so many heads (0 = all), evenly spread.
        beyond_ss_ratio: only the heads that a labelled source with this `ss_ratio` leaves without labels (0 = all
            heads).
    """

    store: str = ""
    weight: float = 1.0
    limit: int = 0
    beyond_ss_ratio: float = 0.0


def _weak_view() -> ViewRange:
    return ViewRange(scale=(0.8**0.5, 1.25**0.5), flip=0.5)


def _strong_view() -> ViewRange:
    return ViewRange(scale=(0.6**0.5, 1.5**0.5), rotation=math.radians(30))


@dataclass
class SemiSupervisedRecipe:
    """Stage 2: the teacher's beliefs about unlabelled heads (pseudo-labels), and how the student learns from them.

    A mirror image is drawn once for both views, so strong_view.flip does not exist, and the weak view is not turned,
    for a teacher is at its best where heads are as photos have them.

    Attributes:
        unlabelled: the sources of unlabelled heads.
        stage1_steps: steps on labelled heads alone; then the best weights are taken up again, and stage 2 lasts to the
            end.
        stage2_lr_ratio: factor on the learning rate in stage 2.
        ulb_batch_ratio: unlabelled heads per step over batch_size.
        conf_thres: the entropy threshold, nats, where it is not estimated.
        dynamic_threshold: re-estimate the entropy threshold every `stage_steps` steps as the quantile `left_ratio` of
            the teacher's entropies over the pool; else it is conf_thres.
        left_ratio: the share of the pool that is kept.
        balanced: one threshold for each band of predicted azimuth, so that views from behind are kept in the same
            share.
        stage_steps: steps from one estimate to the next.
        threshold_limit: heads of the pool in the estimate (0 = all).
        weak_view: what the teacher sees.
        strong_view: what the student sees.
        strong_photometric: what the student sees, its light and colours.
        cut_out: what the student sees has holes.
        cut_mix: what the student sees has patches of other heads.
        sharpen: factor on the teacher's parameter.
        teacher_mirror: average the teacher's beliefs about the view and its mirror image.
        threshold: "fixed", "dynamic", or "running", the quantile over the latest `running_window` heads at every step;
            none = as dynamic_threshold says.
        running_window: heads of the running quantile.
        agreement_deg: keep a head only where no two answers of the teacher (about its mirror image, its other crop) are
            further apart, degrees (0 = off).
        teacher_crops: weak crops of each head that the teacher looks at, 1 or 2, averaged as well.
        teacher_weights: a further teacher that stays as it is, an exported .onnx or a .safetensors of a run, of any
            backbone and image size.
        teacher_weights_share: its share in the belief, the rest is the running average's (1 = it teaches alone).
    """

    unlabelled: list[UnlabelledData] = field(default_factory=list)
    stage1_steps: int = 0
    stage2_lr_ratio: float = 0.1
    ulb_batch_ratio: float = 4.0
    conf_thres: float = -5.3
    dynamic_threshold: bool = True
    left_ratio: float = 0.75
    balanced: bool = False
    stage_steps: int = 10000
    threshold_limit: int = 0
    weak_view: ViewRange = field(default_factory=_weak_view)
    strong_view: ViewRange = field(default_factory=_strong_view)
    strong_photometric: Photometric = field(default_factory=lambda: STRONG)
    cut_out: bool = True
    cut_mix: bool = True
    sharpen: float = 1.0
    teacher_mirror: bool = False
    threshold: Literal["fixed", "dynamic", "running"] | None = None
    running_window: int = 4096
    agreement_deg: float = 0.0
    teacher_crops: int = 1
    teacher_weights: str = ""
    teacher_weights_share: float = 1.0

    @property
    def threshold_kind(self) -> str:
        """ "fixed", "dynamic" or "running", whichever key says it."""
        return self.threshold or ("dynamic" if self.dynamic_threshold else "fixed")

    @property
    def two_teachers(self) -> bool:
        """Whether the running average and fixed weights teach together."""
        return bool(self.teacher_weights) and self.teacher_weights_share < 1


def _labelled_view() -> ViewRange:
    return ViewRange(scale=(0.75, 1.3), shift=0.08, rotation=0.35, flip=0.5)


def _labelled_photometric() -> Photometric:
    return Photometric(
        brightness=0.3,
        contrast=0.35,
        saturation=0.5,
        gamma=0.4,
        tint=0.12,
        grey=0.1,
        low_resolution=0.4,
        smallest=22,
        blur=0.2,
        motion_blur=0.06,
        noise=0.2,
        jpeg=0.25,
    )


@dataclass
class Recipe:
    """A whole training run. Lengths are in optimizer steps.

    Attributes:
        run: its folder.
        seed: of all random numbers.
        steps: of the whole run.
        batch_size: labelled heads per step, those of all processes.
        labelled: the sources of labelled heads.
        validation: further stores that the best weights are chosen by.
        model: the network.
        optimizer: the optimizer, and the learning rate.
        loss: what is minimized.
        ema: the averaged weights.
        view: from where views of labelled heads are drawn.
        photometric: their light and colours.
        warm_size: pixels a side of what the first `warm_steps` steps see: most is learnt as well from smaller pictures,
            faster.
        warm_steps: so many first steps see smaller pictures (0 = none).
        cut_occlusion: share of the heads with holes cut out.
        photo_ends: share of the heads at the border of a photo.
        initial_weights: what to start from, a .safetensors of a run or of `import-weights`, an exported .onnx, or
            "default" for the weights that come with the package.
        semi: the second stage, with unlabelled heads; none for a supervised training.
        validate_every: steps from one validation to the next.
        validation_limit: heads of each validation split in use (0 = all).
        checkpoint_every: steps from one checkpoint to the next.
        log_every: steps from one line of the log to the next.
        workers: loader processes, of each process.
        threads: of each process (0 = as torch has it).
        device: "auto" takes what there is.
        devices: processes on each machine; torchrun, where it is used, has the say. The processes share the batch.
        nodes: machines; torchrun, where it is used, has the say.
        rank_timeout_s: after so many seconds without an answer from another process a run ends, with an error, and can
            be resumed.
        precision: of the numbers in a step.
        compile: the student through `torch.compile`; needs a C++ compiler on a CPU, pays in long runs.
        tensorboard: true names "tensorboard" among the `loggers`.
        loggers: where metrics go beside metrics.jsonl, any of "tensorboard", "wandb", "trackio".
        project: under which "wandb" and "trackio" keep the run.
    """

    run: str = "runs/pose"
    seed: int = 0
    steps: int = 5000
    batch_size: int = 32
    labelled: list[LabelledData] = field(default_factory=list)
    validation: list[ValidationData] = field(default_factory=list)
    model: ModelRecipe = field(default_factory=ModelRecipe)
    optimizer: OptimizerRecipe = field(default_factory=OptimizerRecipe)
    loss: LossRecipe = field(default_factory=LossRecipe)
    ema: EmaRecipe = field(default_factory=EmaRecipe)
    view: ViewRange = field(default_factory=_labelled_view)
    photometric: Photometric = field(default_factory=_labelled_photometric)
    warm_size: int = 0
    warm_steps: int = 0
    cut_occlusion: float = 0.3
    photo_ends: float = 0.0
    initial_weights: str = ""
    semi: SemiSupervisedRecipe | None = None
    validate_every: int = 500
    validation_limit: int = 500
    checkpoint_every: int = 250
    log_every: int = 20
    workers: int = 1
    threads: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    nodes: int = 1
    rank_timeout_s: float = 1800.0
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    compile: bool = False
    tensorboard: bool = False
    loggers: list[BoardName] = field(default_factory=list)
    project: str = "semiuhpe"

    @property
    def every_logger(self) -> list[BoardName]:
        """The boards that show the metrics, whichever key names them; each once."""
        older: list[BoardName] = ["tensorboard"] if self.tensorboard else []
        return list(dict.fromkeys([*older, *self.loggers]))


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The resolved recipe as plain JSON types.

    Args:
        recipe: the recipe.

    Returns:
        Its keys and values.
    """
    plain: dict[str, Any] = json.loads(json_text(dataclasses.asdict(recipe)))
    return plain


def save(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe as JSON.

    Args:
        recipe: the recipe.
        path: of the file.
    """
    write_atomically(path, (json_text(to_dict(recipe), indent=2) + "\n").encode())
