"""What makes a recipe impossible, each said with its key and the remedy."""

from __future__ import annotations

import math
from pathlib import Path

from semiuhpe.errors import RecipeError
from semiuhpe.heads.record import SPLITS
from semiuhpe.training.pose.recipe import LabelledData, Recipe, SemiSupervisedRecipe, UnlabelledData
from semiuhpe.views.warp import ViewRange


def check(recipe: Recipe) -> None:
    """Raise RecipeError for a recipe that cannot run, naming the key."""
    if not recipe.labelled:
        raise RecipeError("the recipe names no labelled data; add a store under 'labelled'")
    for index, source in enumerate(recipe.labelled):
        if not source.store:
            raise RecipeError(f"labelled[{index}].store is empty; name the folder of a head store")
        if source.weight <= 0:
            raise RecipeError(f"labelled[{index}].weight must be positive, got {source.weight}")
        if not 0 < source.ss_ratio <= 1:
            raise RecipeError(f"labelled[{index}].ss_ratio must be above 0 and at most 1, got {source.ss_ratio}")
        if source.any_rotation is not None and not 0 <= source.any_rotation <= 1:
            raise RecipeError(f"labelled[{index}].any_rotation is a probability, got {source.any_rotation}")
        _check_noise(recipe, index, source)
    for index, data in enumerate(recipe.validation):
        if not data.store or data.split not in SPLITS or not 0 < data.weight < math.inf:
            raise RecipeError(
                f"validation[{index}] needs a store, a split of {', '.join(SPLITS)} and a positive weight; got "
                f"{data.store!r}, {data.split!r}, {data.weight}"
            )
    for name in ("steps", "batch_size", "validate_every", "checkpoint_every", "log_every", "devices", "nodes"):
        if getattr(recipe, name) < 1:
            raise RecipeError(f"{name} must be at least 1, got {getattr(recipe, name)}")
    if recipe.rank_timeout_s <= 0:
        raise RecipeError(f"rank_timeout_s must be positive, got {recipe.rank_timeout_s}")
    if recipe.warm_steps and recipe.warm_size < 32:
        raise RecipeError(f"warm_size must be at least 32 pixels where there are warm_steps, got {recipe.warm_size}")
    if recipe.loss.lambda_ramp_steps < 0:
        raise RecipeError(f"loss.lambda_ramp_steps must be 0 or more, got {recipe.loss.lambda_ramp_steps}")
    if recipe.optimizer.accumulate < 1:
        raise RecipeError(f"optimizer.accumulate must be at least 1, got {recipe.optimizer.accumulate}")
    if not 0 < recipe.optimizer.layer_decay <= 1:
        raise RecipeError(f"optimizer.layer_decay must be above 0 and at most 1, got {recipe.optimizer.layer_decay}")
    _check_view("view", recipe.view)
    for name in ("cut_occlusion", "photo_ends"):
        if not 0 <= getattr(recipe, name) <= 1:
            raise RecipeError(f"{name} is a probability, got {getattr(recipe, name)}")
    if recipe.semi is not None:
        _check_semi(recipe, recipe.semi)


def _check_noise(recipe: Recipe, index: int, source: LabelledData) -> None:
    for name in ("sigma_deg", "max_sigma_deg"):
        if not 0 <= getattr(source, name) < math.inf:
            raise RecipeError(f"labelled[{index}].{name} must be 0 or more, got {getattr(source, name)}")
    if not 0 < source.sigma_scale < math.inf:
        raise RecipeError(f"labelled[{index}].sigma_scale must be positive, got {source.sigma_scale}")
    if not source.exact and recipe.loss.distribution != "matrix_fisher":
        raise RecipeError(
            f"labelled[{index}] has labels with noise, which {recipe.loss.distribution} cannot take as targets; choose "
            "loss.distribution matrix_fisher, or leave out noise and sigma_deg"
        )


def _check_view(name: str, view: ViewRange) -> None:
    low, high = view.scale
    if not 0 < low <= high:
        raise RecipeError(f"{name}.scale must be 0 < low <= high, got {view.scale}")
    if not 0 <= view.any_rotation <= 1:
        raise RecipeError(f"{name}.any_rotation is a probability, got {view.any_rotation}")
    if view.resized_crop and (high > 1 or view.shift):
        raise RecipeError(
            f"{name}.resized_crop draws windows inside the crop: scale must be at most 1 and shift 0, got {view.scale} "
            f"and {view.shift}"
        )


def check_shares(recipe: Recipe, processes: int) -> None:
    """Raise RecipeError where a process would see one head at once, of which batch norm takes no statistics, or none."""
    without_statistics = recipe.model.head == "linear" and recipe.model.frozen_norms
    parts = processes * recipe.optimizer.accumulate
    if recipe.batch_size < 2 * parts and not without_statistics:
        raise RecipeError(
            f"batch_size must be at least {2 * parts}, got {recipe.batch_size}: batch norm takes no statistics of the "
            "one head of a process; raise it, or set model.head linear and model.frozen_norms true"
        )
    unlabelled = [] if recipe.semi is None else [round(recipe.batch_size * recipe.semi.ulb_batch_ratio)]
    smallest = min([recipe.batch_size, *unlabelled])
    if smallest < parts:
        raise RecipeError(
            f"a batch of {smallest} heads cannot be cut into {parts} parts; lower optimizer.accumulate "
            f"({recipe.optimizer.accumulate}), or raise batch_size"
        )


def check_picture_size(recipe: Recipe, fixed_size: int) -> None:
    """Raise RecipeError where the network takes pictures of one size (0 = any), and the recipe has others."""
    sizes = [recipe.model.image_size, *([recipe.warm_size] if recipe.warm_steps else [])]
    if fixed_size and any(size != fixed_size for size in sizes):
        raise RecipeError(
            f"{recipe.model.backbone} takes pictures of {fixed_size} pixels and no others; set model.image_size "
            f"{fixed_size} and warm_steps 0"
        )


def _check_semi(recipe: Recipe, semi: SemiSupervisedRecipe) -> None:
    if not semi.unlabelled:
        raise RecipeError("semi names no unlabelled data; add a store under 'semi.unlabelled', or leave out 'semi'")
    for index, source in enumerate(semi.unlabelled):
        if not source.store or source.weight <= 0:
            raise RecipeError(f"semi.unlabelled[{index}] needs a store and a positive weight")
        _check_rest(recipe, index, source)
    _check_view("semi.weak_view", semi.weak_view)
    _check_view("semi.strong_view", semi.strong_view)
    if semi.strong_view.flip or semi.weak_view.rotation or semi.weak_view.any_rotation:
        raise RecipeError("semi: both views share the mirror of weak_view.flip, and only strong_view may rotate")
    if not 0 <= semi.stage1_steps < recipe.steps:
        raise RecipeError(
            f"semi.stage1_steps must be below steps ({recipe.steps}), got {semi.stage1_steps}; a purely supervised training "
            f"is --semi null --steps {recipe.steps}"
        )
    if not 0 < semi.left_ratio <= 1:
        raise RecipeError(f"semi.left_ratio must be above 0 and at most 1, got {semi.left_ratio}")
    if round(recipe.batch_size * semi.ulb_batch_ratio) < 2 or semi.stage_steps < 1 or semi.sharpen <= 0:
        raise RecipeError("semi: ulb_batch_ratio must give 2 heads or more, stage_steps and sharpen must be positive")
    _check_teacher(semi)


def _check_teacher(semi: SemiSupervisedRecipe) -> None:
    if semi.running_window < 1:
        raise RecipeError(f"semi.running_window must be at least 1, got {semi.running_window}")
    if semi.teacher_crops not in (1, 2):
        raise RecipeError(f"semi.teacher_crops must be 1 or 2, got {semi.teacher_crops}")
    if not 0 < semi.teacher_weights_share <= 1:
        raise RecipeError(f"semi.teacher_weights_share must be above 0 and at most 1, got {semi.teacher_weights_share}")
    alone = semi.teacher_crops == 1 and not semi.teacher_mirror
    if semi.agreement_deg < 0 or (semi.agreement_deg and alone and not semi.two_teachers):
        raise RecipeError(
            f"semi.agreement_deg is {semi.agreement_deg}, but the teacher gives one answer a head; set teacher_mirror, or "
            "teacher_crops: 2"
        )


def _check_rest(recipe: Recipe, index: int, source: UnlabelledData) -> None:
    """The rest of a store must begin where the labelled share of the same store ends."""
    if not 0 <= source.beyond_ss_ratio < 1:
        raise RecipeError(
            f"semi.unlabelled[{index}].beyond_ss_ratio must be at least 0 and below 1, got {source.beyond_ss_ratio}"
        )
    shares = {data.ss_ratio for data in recipe.labelled if Path(data.store) == Path(source.store)}
    if source.beyond_ss_ratio and shares and source.beyond_ss_ratio not in shares:
        raise RecipeError(
            f"semi.unlabelled[{index}].beyond_ss_ratio is {source.beyond_ss_ratio}, but {source.store} is labelled with "
            f"ss_ratio {', '.join(map(str, sorted(shares)))}; make them equal"
        )
